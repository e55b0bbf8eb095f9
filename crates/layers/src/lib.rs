//! Checks the order of the modules of a crate: Cargo checks only the order of crates. The graph of
//! the paths between top-level modules must have no circle, so each module can be read, and moved to
//! another crate, without the modules that use it.
//!
//! Paths are read from the tokens of the source: of `use` trees, code and macros. Tests are left out.
//! This crate is for tests only, so it panics.

#![warn(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "for tests only: a panic is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The top-level modules that each top-level module uses, with the files that do so. An item at
/// the root of the crate is listed by its name.
pub type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<PathBuf>>>;

/// The tokens of a source text: identifiers and numbers, `::`, and single characters. Comments,
/// strings and character literals are left out.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = raw_string(rest) {
            raw
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            // The quote of a lifetime has no second quote.
            character(rest).unwrap_or(1)
        } else if is_name(first) {
            rest.find(|c| !is_name(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if is_name(first) && !token.contains('"') || !first.is_whitespace() && length <= 2 {
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

/// The paths in the text of a module, each from the crate's root on. A path in an inner module is
/// relative to that module.
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
            "crate" | "super" | "std" if token(at + 1) == "::" => {
                at = tree(&tokens, at, &mut Vec::new(), &modules, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The index of the brace that closes the brace at `open`.
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

/// Reads a path, or a tree of paths, that begins at `at`; returns the index after it.
fn tree(
    tokens: &[String],
    mut at: usize,
    before: &mut Vec<String>,
    module: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let length = before.len();
    loop {
        if token(at) == "{" {
            let end = closing(tokens, at);
            at += 1;
            while at < end {
                if token(at) == "," {
                    at += 1;
                    continue;
                }
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
    before.truncate(length);
    at
}

fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|word| *word == "super").count();
    match path.first()?.as_str() {
        "crate" => return Some(path.get(1..)?.to_vec()),
        "std" => return Some(path.to_vec()),
        _ => {}
    }
    let kept = module.get(..module.len().checked_sub(ups)?)?;
    (ups > 0).then(|| [kept, &path[ups..]].concat())
}

/// Reads a module and the modules below it, without their tests. `visit` gets each file with its
/// module and its paths.
fn walk(file: &Path, module: &[String], visit: &mut impl FnMut(&Path, &[String], &[Vec<String>])) {
    let text = std::fs::read_to_string(file).unwrap();
    visit(file, module, &paths(&text, module));
    let folder = if module.is_empty() { file.with_file_name("") } else { file.with_extension("") };
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let below = entry.unwrap().path();
        let name = below.file_stem().unwrap().to_str().unwrap().to_owned();
        if below.extension().is_some_and(|ending| ending == "rs")
            && below != file
            && name != "tests"
        {
            walk(&below, &[module, &[name]].concat(), visit);
        }
    }
}

/// The modules that use each other in a circle. A module that uses none of the others, or that none
/// of the others uses, is removed until there is no such module; the rest is the circle.
fn circle(graph: &Graph) -> BTreeSet<String> {
    let mut left: BTreeSet<_> = graph.keys().cloned().collect();
    loop {
        let uses_none = |module: &String| !graph[module].keys().any(|used| left.contains(used));
        let is_unused =
            |module: &String| !left.iter().any(|other| graph[other].contains_key(module));
        let free = left.iter().find(|module| uses_none(module) || is_unused(module)).cloned();
        let Some(free) = free else { return left };
        left.remove(&free);
    }
}

/// The graph of the crate whose root is `root`.
///
/// # Panics
///
/// If a source file cannot be read.
#[must_use]
pub fn graph(root: &Path) -> Graph {
    let mut graph = Graph::new();
    walk(root, &[], &mut |file, module, paths| {
        let Some(user) = module.first() else { return };
        let uses = graph.entry(user.clone()).or_default();
        for used in paths.iter().filter_map(|path| path.first()).filter(|used| *used != user) {
            uses.entry(used.clone()).or_default().insert(file.to_owned());
        }
    });
    graph
}

/// The graph of the modules below `module`, a top-level module whose file is `file`.
///
/// # Panics
///
/// If a source file cannot be read.
#[must_use]
pub fn graph_below(file: &Path, module: &str) -> Graph {
    let mut graph = Graph::new();
    walk(file, &[module.to_owned()], &mut |file, user, paths| {
        let Some(user) = user.get(1) else { return };
        let uses = graph.entry(user.clone()).or_default();
        let below = paths.iter().filter(|path| path.first().is_some_and(|first| first == module));
        for used in below.filter_map(|path| path.get(1)).filter(|used| *used != user) {
            uses.entry(used.clone()).or_default().insert(file.to_owned());
        }
    });
    graph
}

/// The files that name one of these paths of the standard library, such as `std::fs`.
///
/// # Panics
///
/// If a source file cannot be read.
#[must_use]
pub fn named(root: &Path, forbidden: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    walk(root, &[], &mut |file, _, paths| {
        let paths = paths.iter().map(|path| path.join("::"));
        let named = paths.filter(|path| forbidden.iter().any(|name| path.starts_with(name)));
        found.extend(named.map(|path| format!("{} names {path}", file.display())));
    });
    found
}

/// Checks that the modules of the crate whose root is `root` have no circle.
///
/// # Panics
///
/// If there is a circle, with the files that make it; or if there are fewer than two modules, because
/// then `root` is not the root of a crate.
pub fn assert_no_circle(root: &Path) {
    check(&graph(root));
}

/// Asserts that the modules below `module`, a top-level module whose file is `file`, use each other
/// in no circle, and use no item of `module` itself, which is above them.
///
/// # Panics
///
/// If there is a circle or such an item, with the files that make it.
pub fn assert_no_circle_below(file: &Path, module: &str) {
    let graph = graph_below(file, module);
    for (user, uses) in &graph {
        for (used, files) in uses {
            assert!(graph.contains_key(used), "{user} uses {module}::{used} in {files:?}");
        }
    }
    check(&graph);
}

fn check(graph: &Graph) {
    assert!(graph.len() > 1, "{graph:?}");
    let modules = circle(graph);
    let among = modules.iter().flat_map(|module| {
        let uses = graph[module].iter().filter(|(used, _)| modules.contains(*used));
        uses.map(move |(used, files)| format!("{module} uses {used} in {files:?}"))
    });
    assert!(modules.is_empty(), "{}", among.collect::<Vec<_>>().join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_in_any_notation() {
        let found = |text: &str| {
            let module = ["probe", "shown"].map(str::to_owned);
            paths(text, &module).iter().map(|path| path.join("::")).collect::<Vec<_>>()
        };
        for text in [
            "use crate::spec::Role;",
            "use crate::{Now, spec::{self, Role}};",
            "use super::super::spec::Role as R;",
            "fn f(_: &'static crate::spec::Role) {}",
            "fn f() { g::<super::super::spec::Role>() }",
            "fn f() { format!(\"{}\", crate::spec::Role::new()); }",
            "fn f() { matches!(x, super::super::spec::Role { .. }) }",
            "mod inner { use super::super::super::spec::Role; }",
            "#[cfg(test)] use a; fn f() -> char { '\"' } use crate::spec::Role;",
        ] {
            let found = found(text);
            assert!(found.iter().any(|path| path.starts_with("spec::Role")), "{text} {found:?}");
        }
        let group = found("use crate::{spec::{self}, pod};");
        assert_eq!(group, ["spec::self", "pod"]);
        for text in [
            "#[cfg(test)] mod tests { use crate::pod::Pod; }",
            "// use crate::pod::Pod;",
            "const TEXT: &str = r#\"use \"crate::pod::Pod\";\"#;",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_group_names_its_members_alone() {
        let module = ["node", "local"].map(str::to_owned);
        let found = paths("use super::{facts, plan::{Plan, Planner}};", &module);
        let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
        assert_eq!(found, ["node::facts", "node::plan::Plan", "node::plan::Planner"]);
    }

    #[test]
    fn a_circle_is_found_without_the_modules_beside_it() {
        let uses = |used: &str| BTreeMap::from([(used.to_owned(), BTreeSet::new())]);
        let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "a"), ("e", "f"), ("f", "g")];
        let graph = edges.iter().map(|(module, used)| ((*module).to_owned(), uses(used))).collect();
        assert_eq!(circle(&graph).into_iter().collect::<Vec<_>>(), ["b", "c"]);
    }
}
