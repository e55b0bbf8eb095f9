//! The kept inputs of `fuzz/corpus`, and changed ones, hold the properties. The changes are drawn from
//! a seed, so a failure repeats; libFuzzer searches further.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "the helpers of the tests too: a panic is a failed test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use probelet_fuzz_targets::{SEPARATOR, TARGETS, run};

/// Changed inputs for each kept one. `FUZZ_CHANGES` sets another number.
const CHANGES: u64 = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Numbers that look random: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// One to four changes: a byte, a part that is cut, repeated or moved, or one of another input.
fn changed(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(16)).min(bytes.len());
        match numbers.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => {
                const ODD: [u8; 10] =
                    [0, 0xff, 0x7f, 0x80, b'9', b'-', b'"', b'\n', b'.', SEPARATOR];
                bytes[at] = ODD[numbers.below(ODD.len())];
            }
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                let times = 1 + numbers.below(64);
                bytes.splice(at..at, part.repeat(times));
            }
            4 => bytes.truncate(at),
            _ => {
                let from = numbers.below(other.len() + 1);
                let to = (from + numbers.below(64)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

fn changes() -> u64 {
    let set = std::env::var("FUZZ_CHANGES").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(CHANGES)
}

/// The inputs of a target, by their names: the empty one, each kept one, and its changes.
fn inputs(target: &str) -> impl Iterator<Item = (String, Vec<u8>)> {
    let kept = files(&root().join("fuzz/corpus").join(target));
    assert!(!kept.is_empty(), "{target} has no inputs");
    let seeds = (0..).zip(kept.clone());
    let all = seeds.flat_map(move |(index, (name, input))| {
        let mut numbers = Numbers(index);
        let mut one = |change| {
            let (_, other) = &kept[numbers.below(kept.len())];
            (format!("{name}, change {change}"), changed(&input, other, &mut numbers))
        };
        let changed: Vec<_> = (0..changes()).map(&mut one).collect();
        std::iter::once((name, input.clone())).chain(changed)
    });
    std::iter::once(("the empty input".to_owned(), Vec::new())).chain(all)
}

#[test]
fn kept_and_changed_inputs_hold_the_properties() {
    let broken = TARGETS.iter().filter_map(|(target, _)| {
        let holds = |input: &[u8]| std::panic::catch_unwind(|| run(target, input)).is_ok();
        let (name, input) = inputs(target).find(|(_, input)| !holds(input))?;
        // The input as a Rust string, for a test of the parser.
        Some(format!("{target}, {name}: b\"{}\"", input.escape_ascii()))
    });
    let broken: Vec<_> = broken.collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn each_target_has_its_program_and_its_inputs() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names.len(), TARGETS.len(), "a name is there twice");
    let entries = |folder: &str, ending: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let name = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            name.strip_suffix(ending).unwrap().to_owned()
        };
        entries.map(|entry| name(entry.unwrap())).collect()
    };
    assert_eq!(entries("fuzz/fuzz_targets", ".rs"), names);
    assert_eq!(entries("fuzz/corpus", ""), names);
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for name in names {
        let path = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&path), "fuzz/Cargo.toml has no target {name}");
        let program = root().join("fuzz/fuzz_targets").join(&name).with_extension("rs");
        let called = format!("run(\"{name}\", data)");
        assert!(fs::read_to_string(program).unwrap().contains(&called), "{name} calls another");
    }
}
