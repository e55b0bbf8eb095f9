//! The house rule, tested: imports go down only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms from top to bottom; a line is one storey, whose rooms may use each other.
/// What is not named here fails the test, so that a new room gets its place on purpose.
const STOREYS: [&[&str]; 5] = [
    &["main", "lib", "daemon"],
    &["cli", "service", "metrics"],
    &["supervisor"],
    &["runtime", "connections", "registry", "prober", "evidence", "logs", "manifest_dir"],
    // Crates of the workspace, as `lib.rs` names them: Cargo orders them.
    &[
        "manifest",
        "domain",
        "structs",
        "logs",
        "prober",
        "claims",
        "cni",
        "files",
        "netns",
        "network",
        "pod_files",
        "pressure",
        "process",
        "rootfs",
        "shared_pids",
        "trusted",
        "volumes",
    ],
];

/// Crates that a storey must never name.
const FORBIDDEN: [(&str, &[&str]); 1] =
    [("supervisor", &["tonic", "prost", "containerd_client", "rustix", "hyper"])];

/// Named where they are used, whatever their storey: what the storey below is made of.
const EXCEPTIONS: [(&str, &str); 1] = [
    // The record is protobuf, generated beside the API.
    ("runtime", "pb"),
];

fn storey(room: &str) -> Option<usize> {
    STOREYS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn room_of(path: &Path, root: &Path) -> String {
    let first = path.strip_prefix(root).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Rooms named in `crate::ROOM` or `crate::{ROOM, …}`, comments left out.
fn rooms_used(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap(),
        };
        for name in names.split(',') {
            let name = name.trim().split("::").next().unwrap_or_default();
            used.insert(name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_').to_owned());
        }
    }
    used.remove("");
    used
}

#[test]
fn imports_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let room = room_of(&file, &root);
        if room == "layers" || file.components().any(|part| part.as_os_str() == "tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let Some(own) = storey(&room) else {
            wrong.push(format!("{}: {room} has no storey", file.display()));
            continue;
        };
        for used in rooms_used(&text) {
            let excused = EXCEPTIONS.contains(&(room.as_str(), used.as_str()));
            let edge = used == "pb" && own <= 1;
            let down = storey(&used).is_some_and(|other| other >= own);
            if !(down || excused || edge) {
                wrong.push(format!("{}: {room} may not use {used}", file.display()));
            }
        }
        for (_, crates) in FORBIDDEN.iter().filter(|(name, _)| *name == room) {
            let named = crates.iter().filter(|name| text.contains(&format!("{name}::")));
            wrong
                .extend(named.map(|name| format!("{}: {room} may not use {name}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_of_the_supervisor_have_no_circle() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/supervisor.rs");
    probelet_layers::assert_no_circle_below(&file, "supervisor");
}

/// People read the log: `?field` writes a value as Rust has it.
#[test]
fn no_log_line_shows_a_rust_value() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("crates"), &mut files);
    files.retain(|file| !file.ends_with("stderr_log.rs") && !file.ends_with("layers.rs"));
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for call in text.split("tracing::").skip(1) {
            let arguments = call.split(';').next().unwrap_or_default();
            let (name, arguments) = arguments.split_once("!(").unwrap_or_default();
            let is_log = ["error", "warn", "info", "debug", "trace"].contains(&name);
            let fields = arguments.split('"').step_by(2).flat_map(|code| code.split([',', '=']));
            let shows = fields.filter(|field| field.trim_start().starts_with('?'));
            if is_log && shows.count() > 0 {
                wrong.push(format!("{}: {name}!({arguments}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
