//! The rule of the layers, tested: imports go down only, and the modules have no circle.

use std::path::{Path, PathBuf};

use probelet_layers::{assert_no_circle, assert_no_circle_below, graph, graph_below};

/// The modules from top to bottom. A line is a layer, whose modules may use each other. A module that
/// is not listed fails the test, so that a new one gets its layer on purpose.
const LAYERS: [&[&str]; 6] = [
    &["main", "command_line", "daemon"],
    &["service", "metrics", "status_page", "kube_api"],
    &["workloads"],
    &["supervisor"],
    &[
        "node",
        "connections",
        "evidence",
        "manifest_dir",
        "kube_authority",
        "kube_objects",
        "client_auth",
    ],
    // Crates of the workspace, as `lib.rs` names them: Cargo orders them.
    &[
        "build_info",
        "manifest",
        "domain",
        "structs",
        "logs",
        "prober",
        "claims",
        "clock",
        "cni",
        "direct_exec",
        "files",
        "netns",
        "network",
        "pod_files",
        "pressure",
        "process",
        "registry",
        "rootfs",
        "shared_pids",
        "trusted",
        "volumes",
    ],
];

/// Crates that a module must never name.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    ("supervisor", &["tonic", "prost", "probelet_containerd", "rustix", "hyper"]),
    ("node", &["tonic", "probelet_containerd"]),
];

/// The generated types of the API: for the upper two layers, and for the record, which is protobuf.
const API: &str = "pb";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
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

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (user, uses) in graph(&root()) {
        if user == "layers" {
            continue;
        }
        let Some(own) = layer(&user) else {
            wrong.push(format!("{user} has no layer"));
            continue;
        };
        for (used, files) in uses {
            let may_use = match (user.as_str(), used.as_str()) {
                (_, "std") => true,
                (user, API) => own <= 1 || user == "node",
                (_, used) => layer(used).is_some_and(|other| other >= own),
            };
            if !may_use {
                wrong.push(format!("{user} may not use {used}: {files:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn forbidden_crates_are_not_named() {
    let folder = root().with_file_name("");
    let mut wrong = Vec::new();
    for (module, crates) in FORBIDDEN {
        let mut files = vec![folder.join(module).with_extension("rs")];
        sources(&folder.join(module), &mut files);
        files.retain(|file| !file.ends_with("tests.rs"));
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let named = crates.iter().filter(|name| text.contains(&format!("{name}::")));
            wrong.extend(
                named.map(|name| format!("{}: {module} may not use {name}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_have_no_circle() {
    assert_no_circle(&root());
    for module in graph(&root()).keys() {
        let file = root().with_file_name(module).with_extension("rs");
        if graph_below(&file, module).len() > 1 {
            assert_no_circle_below(&file, module);
        }
    }
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
