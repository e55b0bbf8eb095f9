//! Killed writers, torn files, and files that the store did not write.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, with files of its own")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use probelet_objects::{Folder, LARGEST, ObjectName, ObjectsError};
use serde_json::{Value, json};

/// The folder that the child of the test with kills writes to.
const CHILD: &str = "OBJECTS_CRASH_TEST";

fn name(name: &str) -> ObjectName {
    ObjectName::new("configmaps", Some("default"), name).unwrap()
}

fn object(name: &str, number: u64) -> Value {
    let metadata = json!({"name": name, "namespace": "default"});
    // Longer than one block, so that a write can be cut.
    json!({"metadata": metadata, "number": number, "filler": "x".repeat(30_000)})
}

fn write(folder: &Folder, text: &str, number: u64) {
    folder.write(&name(text), object(text, number).to_string().as_bytes()).unwrap();
}

/// The writer that is killed. It prints each change after the change has returned.
#[test]
#[ignore = "is run by the test of kills"]
#[allow(clippy::print_stdout, reason = "the output is for the parent")]
fn child() {
    let Some(root) = std::env::var_os(CHILD) else { return };
    let opened = Folder::open(Path::new(&root)).unwrap();
    let numbers = opened.objects.iter().map(|loaded| loaded.object["number"].as_u64().unwrap());
    let first = numbers.max().unwrap_or_default().max(opened.ceiling.unwrap_or_default()) + 1;
    for number in first.. {
        let text = format!("object-{}", number % 5);
        if number % 7 == 3 {
            opened.folder.remove(&name(&text)).unwrap();
            println!("\n@removed {text} {number}");
        } else {
            write(&opened.folder, &text, number);
            println!("\n@wrote {text} {number}");
        }
        if number % 11 == 0 {
            opened.folder.store_ceiling(number).unwrap();
            println!("\n@ceiling - {number}");
        }
    }
}

#[test]
fn a_killed_writer_loses_nothing_that_had_returned() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("objects");
    // The last change of each object that has returned.
    let mut returned: BTreeMap<String, (bool, u64)> = BTreeMap::new();
    let (mut ceiling, mut changes) = (0, 0);
    for round in 0..40_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(CHILD, &root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        // The kill comes after a number of changes, at any point of the next one.
        while seen <= round % 13 {
            let line = lines.next().unwrap().unwrap();
            seen += note(&line, &mut returned, &mut ceiling);
        }
        child.kill().unwrap();
        for line in lines {
            seen += note(&line.unwrap(), &mut returned, &mut ceiling);
        }
        child.wait().unwrap();
        changes += seen;
        let opened = Folder::open(&root).unwrap();
        assert_eq!(opened.set_aside, []);
        assert!(opened.ceiling.unwrap_or_default() >= ceiling, "round {round}");
        let stored: BTreeMap<String, u64> = opened
            .objects
            .iter()
            .map(|l| (l.name.name().to_owned(), l.object["number"].as_u64().unwrap()))
            .collect();
        for (text, (exists, number)) in &returned {
            match stored.get(text) {
                // The newest change may have been made without having returned.
                Some(found) => assert!(found >= number, "{text}: {found} < {number}"),
                None => assert!(
                    !exists || is_last_unseen_removal(text, &returned),
                    "{text} of {number} is lost"
                ),
            }
        }
        for loaded in &opened.objects {
            assert_eq!(loaded.object["filler"].as_str().unwrap().len(), 30_000);
            // What is there now counts as returned.
            let number = loaded.object["number"].as_u64().unwrap();
            returned.insert(loaded.name.name().to_owned(), (true, number));
        }
        returned.retain(|text, _| stored.contains_key(text));
        let left = walk(&root).into_iter().filter(|path| path.ends_with(".new")).count();
        assert_eq!(left, 0, "an unfinished file is left");
    }
    assert!(changes > 200, "{changes}");
}

/// Only the change after the newest one that has returned may be a removal that was not seen.
fn is_last_unseen_removal(text: &str, returned: &BTreeMap<String, (bool, u64)>) -> bool {
    let newest = returned.values().map(|(_, number)| *number).max().unwrap_or_default();
    (newest + 1) % 7 == 3 && format!("object-{}", (newest + 1) % 5) == text
}

fn note(line: &str, returned: &mut BTreeMap<String, (bool, u64)>, ceiling: &mut u64) -> u64 {
    let words: Vec<&str> = line.split(' ').collect();
    let [what, text, number] = words[..] else { return 0 };
    let Ok(number) = number.parse::<u64>() else { return 0 };
    match what {
        "@wrote" => drop(returned.insert(text.to_owned(), (true, number))),
        "@removed" => drop(returned.insert(text.to_owned(), (false, number))),
        "@ceiling" => *ceiling = number,
        _ => return 0,
    }
    1
}

fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn an_unreadable_file_is_kept_aside_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("objects");
    let opened = Folder::open(&root).unwrap();
    for text in ["good", "torn", "other", "link", "huge"] {
        write(&opened.folder, text, 1);
    }
    drop(opened);
    let file = |text: &str| root.join("configmaps/default").join(text);
    let torn = &object("torn", 1).to_string()[..100];
    std::fs::write(file("torn.json"), torn).unwrap();
    std::fs::rename(file("other.json"), file("another.json")).unwrap();
    std::fs::remove_file(file("link.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", file("link.json")).unwrap();
    std::fs::File::options()
        .write(true)
        .open(file("huge.json"))
        .unwrap()
        .set_len(LARGEST as u64 + 1)
        .unwrap();
    std::fs::write(file(".new"), "{").unwrap();
    std::fs::write(root.join("note.txt"), "by hand").unwrap();
    std::fs::create_dir(file("folder.json")).unwrap();
    let opened = Folder::open(&root).unwrap();
    let read: Vec<_> = opened.objects.iter().map(|loaded| loaded.name.to_string()).collect();
    assert_eq!(read, ["configmaps/default/good"]);
    let mut aside: Vec<_> =
        opened.set_aside.iter().map(|file| (file.path.to_str().unwrap(), &*file.why)).collect();
    aside.sort_unstable();
    assert_eq!(
        aside,
        [
            ("configmaps/default/another.json", "has an object of another name"),
            ("configmaps/default/folder.json", "is no regular file"),
            ("configmaps/default/huge.json", "has 1572865 bytes, more than 1572864"),
            ("configmaps/default/link.json", "Too many levels of symbolic links (os error 40)"),
            ("configmaps/default/torn.json", "is no JSON: line 1 column 100"),
            ("note.txt", "is no folder of objects"),
        ]
    );
    let now = opened.set_aside.iter().find(|file| file.path.ends_with("torn.json")).unwrap();
    assert_eq!(std::fs::read_to_string(now.now.as_ref().unwrap()).unwrap(), torn);
    // The name is free again, and the next start has nothing to report.
    write(&opened.folder, "torn", 2);
    drop(opened);
    let opened = Folder::open(&root).unwrap();
    assert_eq!((opened.objects.len(), opened.set_aside.len()), (2, 0));
    // It is so until the files are removed.
    assert_eq!(opened.unreadable, 6);
    drop(opened);
    std::fs::remove_dir_all(root.join(".unreadable")).unwrap();
    assert_eq!(Folder::open(&root).unwrap().unreadable, 0);
}

#[test]
fn files_are_private_and_the_folder_has_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("objects");
    let opened = Folder::open(&root).unwrap();
    write(&opened.folder, "a", 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for folder in ["", "configmaps", "configmaps/default"] {
        assert_eq!(mode(&root.join(folder)), 0o700);
    }
    for file in walk(&root) {
        assert_eq!(mode(Path::new(&file)), 0o600, "{file}");
    }
    assert!(matches!(Folder::open(&root), Err(ObjectsError::InUse(_))));
    let error = opened.folder.write(&name("b"), &vec![b' '; LARGEST + 1]).unwrap_err();
    assert!(matches!(error, ObjectsError::TooLarge(_)));
    opened.folder.remove(&name("missing")).unwrap();
    opened.folder.store_ceiling(7).unwrap();
    opened.folder.store_ceiling(8).unwrap();
    drop(opened);
    assert_eq!(Folder::open(&root).unwrap().ceiling, Some(8));
}
