//! The domain's rooms use each other in one direction only: the graph of their paths has no
//! circle, so each can be read, and one day taken out, without those above it.
//!
//! Paths are read from the tokens, `use` trees and those in code and macros alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ROOT: &str = "domain";

/// What each room uses of the others, and the files that do.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<PathBuf>>>;

/// Words, `::`, and every other character by itself; without comments, strings and characters.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = raw_string(rest) {
            raw
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            // A lifetime has no second quote in its place.
            character(rest).unwrap_or(1)
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if is_word(first) && !token.contains('"') || !first.is_whitespace() && length <= 2 {
            tokens.push(token.to_owned());
        }
        rest = after;
    }
    tokens
}

fn raw_string(text: &str) -> Option<usize> {
    let body = text.strip_prefix('r')?;
    let hashes = body.bytes().take_while(|byte| *byte == b'#').count();
    let opened = body.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(1 + hashes + 1 + opened.find(&close)? + close.len())
}

fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

fn character(text: &str) -> Option<usize> {
    let body = text.get(1..)?;
    let length = match body.strip_prefix('\\') {
        Some(escaped) => 1 + escaped.chars().next()?.len_utf8() + escaped.get(1..)?.find('\'')?,
        None => body.chars().next()?.len_utf8(),
    };
    body.get(length..)?.starts_with('\'').then_some(length + 2)
}

/// The paths of a file, each from the crate's root on: `module` is the file's own, and what a
/// module within it says is read as of there.
fn paths(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    // The names of the modules that are open, with the depth of braces of each.
    let (mut modules, mut depth, mut is_test) = (module.to_vec(), 0_usize, false);
    let mut open: Vec<usize> = Vec::new();
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    while at < tokens.len() {
        let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
        if (0..attribute.len()).all(|next| token(at + next) == attribute[next]) {
            is_test = true;
            at += attribute.len();
            continue;
        }
        match token(at) {
            "mod" if token(at + 2) == "{" && is_test => {
                at = closing(&tokens, at + 2);
                is_test = false;
            }
            "mod" if token(at + 2) == "{" => {
                modules.push(token(at + 1).to_owned());
                open.push(depth);
                at += 1;
            }
            ";" => is_test = false,
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if open.last() == Some(&depth) {
                    open.pop();
                    modules.pop();
                }
            }
            "crate" | "super" if token(at + 1) == "::" => {
                at = tree(&tokens, at, &mut Vec::new(), &modules, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The place of the brace that closes the one there.
fn closing(tokens: &[String], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return at,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Reads a path, or a tree of them, that begins at `at`; where it goes on after it.
fn tree(
    tokens: &[String],
    mut at: usize,
    before: &mut Vec<String>,
    module: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let known = before.len();
    loop {
        if token(at) == "{" {
            let end = closing(tokens, at);
            at += 1;
            while at < end {
                at = tree(tokens, at, before, module, found).max(at + 1);
            }
            at = end + 1;
            break;
        }
        before.push(token(at).to_owned());
        at += 1;
        if token(at) != "::" {
            found.extend(absolute(before, module));
            break;
        }
        at += 1;
    }
    before.truncate(known);
    at
}

fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|word| *word == "super").count();
    if path.first()? == "crate" {
        return Some(path.get(1..)?.to_vec());
    }
    let kept = module.get(..module.len().checked_sub(ups)?)?;
    (ups > 0).then(|| [kept, &path[ups..]].concat())
}

/// Reads a module and those below it, their tests left out.
fn walk(file: &Path, module: &[String], graph: &mut Graph) {
    let text = std::fs::read_to_string(file).unwrap();
    if let [_, own, ..] = module {
        let uses = graph.entry(own.clone()).or_default();
        for path in paths(&text, module) {
            if let [root, used, ..] = path.as_slice()
                && root == ROOT
                && used != own
            {
                uses.entry(used.clone()).or_default().insert(file.to_owned());
            }
        }
    }
    let folder = file.with_extension("");
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let below = entry.unwrap().path();
        let name = below.file_stem().unwrap().to_str().unwrap().to_owned();
        if below.extension().is_some_and(|ending| ending == "rs") && name != "tests" {
            walk(&below, &[module, &[name]].concat(), graph);
        }
    }
}

/// Rooms that use each other in a circle: what is left when, again and again, each room is taken
/// away that uses none of the others, or that none of them uses.
fn circle(graph: &Graph) -> BTreeSet<String> {
    let mut left: BTreeSet<_> = graph.keys().cloned().collect();
    loop {
        let uses_none = |room: &String| !graph[room].keys().any(|used| left.contains(used));
        let is_unused = |room: &String| !left.iter().any(|other| graph[other].contains_key(room));
        let free = left.iter().find(|room| uses_none(room) || is_unused(room)).cloned();
        let Some(free) = free else { return left };
        left.remove(&free);
    }
}

#[test]
fn the_domain_has_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain.rs");
    let mut graph = Graph::new();
    walk(&root, &[ROOT.to_owned()], &mut graph);
    assert!(graph.len() > 20 && graph["container"].contains_key("spec"), "{graph:?}");
    let rooms = circle(&graph);
    let among = rooms.iter().flat_map(|room| {
        let uses = graph[room].iter().filter(|(used, _)| rooms.contains(*used));
        uses.map(move |(used, files)| format!("{room} uses {used} in {files:?}"))
    });
    assert!(rooms.is_empty(), "{}", among.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_path_is_seen_however_it_is_written() {
    let found = |text: &str| {
        let module = ["domain", "probe", "shown"].map(str::to_owned);
        paths(text, &module).iter().map(|path| path.join("::")).collect::<Vec<_>>()
    };
    for text in [
        "use crate::domain::spec::Role;",
        "use crate::{domain::{Now, spec::{self, Role}}};",
        "use super::super::spec::Role as R;",
        "fn f(_: &'static crate::domain::spec::Role) {}",
        "fn f() { g::<super::super::spec::Role>() }",
        "fn f() { format!(\"{}\", crate::domain::spec::Role::new()); }",
        "fn f() { matches!(x, super::super::spec::Role { .. }) }",
        "mod own { use super::super::super::spec::Role; }",
        "#[cfg(test)] use a; fn f() -> char { '\"' } use crate::domain::spec::Role;",
    ] {
        let found = found(text);
        assert!(
            found.iter().any(|path| path.starts_with("domain::spec::Role")),
            "{text} {found:?}"
        );
    }
    for text in [
        "#[cfg(test)] mod tests { use crate::domain::pod::Pod; }",
        "// use crate::domain::pod::Pod;",
        "const TEXT: &str = r#\"use \"crate::domain::pod::Pod\";\"#;",
    ] {
        assert!(found(text).is_empty(), "{text}");
    }
}

#[test]
fn a_circle_is_found_and_nothing_else() {
    let uses = |used: &str| BTreeMap::from([(used.to_owned(), BTreeSet::new())]);
    let rooms = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "a"), ("e", "f"), ("f", "g")];
    let graph = rooms.iter().map(|(room, used)| ((*room).to_owned(), uses(used))).collect();
    assert_eq!(circle(&graph).into_iter().collect::<Vec<_>>(), ["b", "c"]);
}
