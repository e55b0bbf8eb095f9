//! `docs/reference.md` is written from the sources, by this test with `PROBELET_WRITE_DOCS=1`: the words
//! that scripts and clients of the API compare.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads the sources of the workspace"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The items of a text with their documentation, in order: a variant, a constant, a field.
fn documented(text: &str) -> Vec<(String, String)> {
    let (mut found, mut comment) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            comment.push_str(more);
        } else if !comment.is_empty() && !line.starts_with("#[") {
            found.push((line.to_owned(), comment.trim().to_owned()));
            comment.clear();
        }
    }
    found
}

/// The lines of an item, from its first line to the first closing brace at its start.
fn block<'a>(text: &'a str, first: &str) -> &'a str {
    let (_, rest) = text.split_once(first).unwrap_or_else(|| panic!("no {first}"));
    let indent = first.len() - first.trim_start().len();
    let end = format!("\n{}}}", " ".repeat(indent));
    rest.split(&end).next().unwrap_or_default()
}

/// The variants of an enum with their documentation.
fn variants(text: &str, name: &str) -> Vec<(String, String)> {
    let items = documented(block(text, &format!("pub enum {name} {{")));
    let variant = |(line, comment): (String, String)| {
        let name: String = line.chars().take_while(char::is_ascii_alphanumeric).collect();
        // The fields of a variant have documentation too.
        name.starts_with(|c: char| c.is_ascii_uppercase()).then_some((name, comment))
    };
    items.into_iter().filter_map(variant).collect()
}

/// The words that a function has for the variants: `Self::X … => "word"`.
fn words(text: &str, function: &str) -> BTreeMap<String, String> {
    let arms = block(text, function).lines().filter_map(|line| {
        let (variant, word) = line.trim().strip_prefix("Self::")?.split_once("=> \"")?;
        let name: String = variant.chars().take_while(char::is_ascii_alphanumeric).collect();
        Some((name, word.split('"').next()?.to_owned()))
    });
    arms.collect()
}

/// A table of words with their documentation. Links between items are only of use in the sources.
fn table(out: &mut String, header: &str, rows: impl IntoIterator<Item = (String, String)>) {
    writeln!(out, "\n| {header} | |\n|---|---|").unwrap();
    for (word, comment) in rows {
        let comment = comment.replace("[`", "`").replace("`]", "`").replace('|', "\\|");
        writeln!(out, "| `{word}` | {comment} |").unwrap();
    }
}

/// The variants that have a word, with that word.
fn named(text: &str, name: &str, function: &str) -> Vec<(String, String)> {
    let words = words(text, function);
    let all = variants(text, name).into_iter();
    all.filter_map(|(name, comment)| Some((words.get(&name)?.clone(), comment))).collect()
}

/// The constants of texts or numbers with their documentation.
fn constants(path: &str, kind: &str) -> Vec<(String, String)> {
    let of_kind = |(line, comment): (String, String)| {
        let (before, value) = line.split_once(&format!(": {kind} = "))?;
        let is_constant = before.starts_with("pub const ") || before.starts_with("const ");
        is_constant.then(|| (value.trim_end_matches(';').trim_matches('"').to_owned(), comment))
    };
    documented(&read(path)).into_iter().filter_map(of_kind).collect()
}

/// The field of a struct, with its documentation.
fn field(text: &str, name: &str) -> String {
    let prefix = format!("pub {name}: ");
    let found = documented(text).into_iter().find(|(line, _)| line.starts_with(&prefix));
    found.unwrap_or_else(|| panic!("no {name}")).1
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            true if name != "tests" => sources(&path, found),
            false if name.ends_with(".rs") && name != "tests.rs" => found.push(path),
            _ => {}
        }
    }
}

/// What precedes the reasons that are no argument of such a call, with the type of their events.
const OTHERS: [(&str, &str); 6] = [
    ("HookKind::PostStart => (\"", "Warning"),
    ("HookKind::PreStop => (\"", "Warning"),
    ("pub const REASON: &str = \"", "Warning"),
    ("Self::Deadline => \"", "Normal"),
    ("Self::Evicted { .. } => \"", "Warning"),
    ("Self { reason: \"", "Warning"),
];

/// The reasons of events with their types. A reason that is a constant has its text in the same file.
fn events() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut files = Vec::new();
    for folder in ["src", "crates/domain/src", "crates/workload/src"] {
        sources(&root().join(folder), &mut files);
    }
    let mut events: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (begin, kind) in [
            ("Notice::normal(", "Normal"),
            ("Notice::warning(", "Warning"),
            (".note(", "Normal"),
            (".warn(", "Warning"),
            (".normal(", "Normal"),
            (".warning(", "Warning"),
        ] {
            for call in text.split(begin).skip(1) {
                let arguments = call.split(')').next().unwrap_or_default();
                // The recorder of the Kubernetes API has the object before the reason.
                let literal = |argument: &str| {
                    let word = argument.trim().strip_prefix('"')?.split('"').next()?.to_owned();
                    let is_word = word.chars().all(|c| c.is_ascii_alphanumeric());
                    (is_word && word.starts_with(|c: char| c.is_ascii_uppercase())).then_some(word)
                };
                if let Some(reason) = arguments.split(',').take(2).find_map(literal) {
                    events.entry(reason).or_default().insert(kind);
                }
            }
        }
        // Reasons that are chosen before the call.
        for (begin, kind) in OTHERS {
            for rest in text.split(begin).skip(1) {
                let word: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                if word.starts_with(|c: char| c.is_ascii_uppercase()) {
                    events.entry(word).or_default().insert(kind);
                }
            }
        }
    }
    events
}

/// The reasons of pods that are left alone, with what to do: `Flaw::X => ("word", "what to do")`.
fn unsupervised() -> Vec<(String, String)> {
    let repair = read("src/supervisor/repair.rs");
    let flaws = repair.lines().filter_map(|line| {
        let (_, pair) = line.trim().strip_prefix("Flaw::")?.split_once("=> (\"")?;
        let (word, rest) = pair.split_once("\", \"")?;
        Some((
            word.to_owned(),
            format!("The message names the record: {}.", rest.split('"').next()?),
        ))
    });
    flaws.chain(constants("src/supervisor/panics.rs", "&str")).collect()
}

fn page() -> String {
    let mut out = "# Words that scripts compare\n\nMade from the sources by a test, with \
                   `PROBELET_WRITE_DOCS=1 cargo test -p probelet-layers --test reference`. What to do \
                   about them is in [why did it restart, and what does it wait \
                   for](troubleshooting.md); the labels and annotations that users set are in \
                   [annotations and labels](annotations.md), and the messages of the API in [the \
                   API](api.md).\n"
        .to_owned();
    let status = read("crates/domain/src/status.rs");
    let waiting = read("crates/domain/src/status/waiting.rs");
    let exit = read("crates/domain/src/exit.rs");
    let terminated = read("crates/domain/src/exit/terminated.rs");

    out.push_str("\n## Phases of a pod\n");
    table(&mut out, "phase", named(&status, "Phase", "    pub fn as_str(self) -> &'static str {"));

    out.push_str(
        "\n## Reasons why a container waits\n\n`state.waiting.reason`, and STATUS of `get pods`.\n",
    );
    let reasons = named(&waiting, "WaitingReason", "    pub fn as_str(self) -> &'static str {");
    table(&mut out, "reason", reasons);

    out.push_str(
        "\nOf a container that is not supervised, because its record or the daemon is broken:\n",
    );
    table(&mut out, "reason", unsupervised());

    out.push_str(
        "\nOf a container of another client that is not adopted. An event has the same reason.\n",
    );
    let adopt = read("crates/domain/src/adopt.rs");
    table(
        &mut out,
        "reason",
        named(&adopt, "Refusal", "    pub fn reason(&self) -> &'static str {"),
    );

    out.push_str("\n## Ends of a container\n\n");
    for (name, shown) in [("reason", "reason"), ("exit_code", "exitCode"), ("signal", "signal")] {
        writeln!(out, "- `{shown}`: {}", field(&terminated, name)).unwrap();
    }
    out.push_str(
        "\nThe cause, as the label `cause` of the metrics. A failed probe has its kind.\n",
    );
    let labels = "    pub fn label(&self) -> &'static str {";
    let mut causes = named(&exit, "Cause", labels);
    let probe = variants(&exit, "Cause").into_iter().find(|(name, _)| name == "Probe").unwrap();
    causes.extend(["liveness", "startup"].map(|kind| (kind.to_owned(), probe.1.clone())));
    table(&mut out, "cause", causes);

    out.push_str("\n## Events\n\n| reason | type |\n|---|---|\n");
    for (reason, kinds) in events() {
        let kinds: Vec<_> = kinds.into_iter().collect();
        writeln!(out, "| `{reason}` | {} |", kinds.join(", ")).unwrap();
    }

    out.push_str("\n## Exit statuses of `probelet`\n");
    table(&mut out, "status", constants("crates/cli/src/error.rs", "u8"));
    out.push_str(
        "\n`exec`, and `run` in the foreground, end with the status of the command. `serve` ends with 0 \
         after SIGTERM, with 1 after an error, and with 2 if its configuration is wrong.\n",
    );

    out.push_str("\n## Labels that probelet sets\n\nOn the containers in containerd.\n");
    let mut labels = constants("src/node/labels.rs", "&str");
    labels.extend(constants("src/node/attempt_records.rs", "&str"));
    table(&mut out, "label", labels);
    out
}

#[test]
fn the_reference_is_that_of_the_sources() {
    let (path, page) = (root().join("docs/reference.md"), page());
    if std::env::var_os("PROBELET_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/reference.md is stale: PROBELET_WRITE_DOCS=1 writes it");
}

#[test]
fn nothing_is_overlooked() {
    let status = read("crates/domain/src/status.rs");
    let phases = named(&status, "Phase", "    pub fn as_str(self) -> &'static str {");
    assert_eq!(phases.len(), variants(&status, "Phase").len());
    let exit = read("crates/domain/src/exit.rs");
    let causes = named(&exit, "Cause", "    pub fn label(&self) -> &'static str {");
    // The label of a probe is its kind.
    assert_eq!(causes.len() + 1, variants(&exit, "Cause").len());
    let events = events();
    for reason in
        ["Unhealthy", "Killing", "KillHeld", "BackOff", "SuccessfulCreate", "ManifestRemoved"]
    {
        assert!(events.contains_key(reason), "no {reason} in {events:?}");
    }
    let all = [constants("src/node/labels.rs", "&str"), constants("crates/cli/src/error.rs", "u8")];
    assert_eq!(all.map(|constants| constants.len()), [3, 3]);
    assert_eq!(unsupervised().len(), 4);
}
