//! The documents name files that exist.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads the documents of the workspace"
)]

use std::path::{Path, PathBuf};

/// Folders at the root of the workspace. A text in backticks that begins with one is a path.
const FOLDERS: [&str; 9] = [
    "benches/",
    "crates/",
    "docs/",
    "examples/",
    "integration/",
    "packaging/",
    "proto/",
    "scripts/",
    "src/",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The paths in the backticks of a text. `a/{b,c}.rs` is two paths; a pattern with `*` is none.
fn paths(text: &str) -> Vec<String> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let first = quoted.filter_map(|quoted| quoted.split_whitespace().next());
    let paths = first.filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)));
    paths.filter(|path| !path.contains('*')).flat_map(alternatives).collect()
}

fn alternatives(path: &str) -> Vec<String> {
    let parts = path.split_once('{').and_then(|(before, rest)| {
        let (inner, after) = rest.split_once('}')?;
        Some((before, inner, after))
    });
    match parts {
        Some((before, inner, after)) => {
            inner.split(',').map(|one| format!("{before}{one}{after}")).collect()
        }
        None => vec![path.to_owned()],
    }
}

#[test]
fn documents_name_files_that_exist() {
    let root = root();
    let documents = std::fs::read_dir(root.join("docs")).unwrap().map(|it| it.unwrap().path());
    let documents = documents.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let named = ["ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root.join(name));
    let mut missing = Vec::new();
    for document in documents.chain(named) {
        let text = std::fs::read_to_string(&document).unwrap();
        let absent = paths(&text).into_iter().filter(|path| !root.join(path).exists());
        missing.extend(absent.map(|path| format!("{}: {path}", document.display())));
    }
    assert!(missing.is_empty(), "these files do not exist:\n{}", missing.join("\n"));
}

#[test]
fn paths_are_found_in_backticks() {
    let text = "See `src/main.rs`, `integration/tests/{pods,logs}.rs` and `scripts/test -v`, \
                not src/none.rs, `src/**/tests` or `actor.rs`.";
    let expected =
        ["src/main.rs", "integration/tests/pods.rs", "integration/tests/logs.rs", "scripts/test"];
    assert_eq!(paths(text), expected);
}

/// The names `FILE::TEST` in the backticks of a text.
fn test_names(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter_map(|quoted| quoted.split_once("::")).collect()
}

#[test]
fn each_promise_names_tests_that_exist() {
    let root = root();
    let text = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let promises = text.split("## What is promised").nth(1).unwrap();
    let promises = promises.split("## What is not promised").next().unwrap();
    // The first paragraph begins the list, and the last one explains the names.
    let promises: Vec<_> = promises
        .lines()
        .filter(|line| !line.is_empty() && !line.ends_with("None of them may"))
        .filter(|line| !line.starts_with("Each name above"))
        .collect();
    assert!(promises.len() > 9, "{promises:#?}");
    let exists = |(file, test): (&str, &str)| {
        let path = root.join(format!("integration/tests/{file}.rs"));
        let source = std::fs::read_to_string(path).unwrap_or_default();
        source.contains(&format!("#[test]\nfn {test}("))
    };
    for promise in promises {
        let names = test_names(promise);
        assert!(!names.is_empty(), "no test holds this promise: {promise}");
        let missing: Vec<_> = names.into_iter().filter(|&name| !exists(name)).collect();
        assert!(missing.is_empty(), "these tests do not exist: {missing:?}");
    }
}

/// The reasons of events in the sources, which are the first argument of a `Notice`.
fn event_reasons(text: &str) -> Vec<String> {
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let begins = ["Notice::normal(", "Notice::warning("];
    let calls = begins.iter().flat_map(|begin| production.split(begin).skip(1));
    let literals = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    literals.map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match path.is_dir() {
            true if name != "tests" => sources(&path, found),
            false if name.ends_with(".rs") && name != "tests.rs" => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn troubleshooting_has_each_event_and_each_reason_to_wait() {
    let root = root();
    let document = std::fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("crates/domain/src"), &mut files);
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let mut words: Vec<String> = files.iter().flat_map(|path| event_reasons(&read(path))).collect();
    assert!(words.len() > 30, "{words:?}");
    let waiting = read(&root.join("crates/domain/src/status/waiting.rs"));
    let texts = waiting.lines().filter_map(|line| line.split_once("=> \"")?.1.split('"').next());
    words.extend(texts.map(str::to_owned));
    words.retain(|word| !document.contains(&format!("`{word}`")));
    assert!(words.is_empty(), "docs/troubleshooting.md does not explain {words:?}");
}
