use std::process::Command;

fn main() {
    // A logger runs beside each container, and must be small and start at once: a program that is
    // linked to its addresses has nothing of its own to relocate, half a megabyte of pages.
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        println!("cargo:rustc-link-arg-bin=probelet=-no-pie");
    }
    println!("cargo:rerun-if-changed=build.rs");
    build_info();
}

/// Sets `PROBELET_BUILD_COMMIT` and `PROBELET_BUILD_TIME` (seconds since 1970) for `src/build_info.rs`:
/// as the environment has them, else of a release build. A debug build has neither, so that a commit
/// rebuilds nothing.
fn build_info() {
    println!("cargo:rerun-if-env-changed=PROBELET_COMMIT");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let commit = set("PROBELET_COMMIT").or_else(|| if is_release { commit() } else { None });
    let now = || {
        let now = std::time::UNIX_EPOCH.elapsed().ok()?;
        is_release.then(|| now.as_secs().to_string())
    };
    let variables = [
        ("PROBELET_BUILD_COMMIT", commit),
        ("PROBELET_BUILD_TIME", set("SOURCE_DATE_EPOCH").or_else(now)),
    ];
    for (name, value) in variables {
        println!("cargo:rustc-env={name}={}", value.unwrap_or_default());
    }
}

/// The commit of the work tree, with `-dirty` if a file differs from it.
fn commit() -> Option<String> {
    // This file changes with each commit.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if std::path::Path::new(&log).exists() {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["describe", "--always", "--match=", "--abbrev=12", "--dirty"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
