use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;

use super::*;

const HEADER: &[u8] = b"2026-11-24T10:00:00.000000000Z stdout F ";

fn journal(path: &Path, size: u64, files: u32) -> Journal {
    Journal::new(Order {
        path: path.into(),
        limits: Limits { size, files },
        socket: None,
        streams: None,
    })
}

fn write(journal: &mut Journal, lines: impl IntoIterator<Item = u32>) {
    for line in lines {
        journal.append(HEADER, [format!("{line:09}").as_bytes(), b""], UNIX_EPOCH);
    }
    journal.flush(UNIX_EPOCH);
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn size_and_number_of_files_stay_within_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.log");
    // Each record has 50 bytes.
    write(&mut journal(&path, 500, 3), 0..100);
    let files = files::rotated(&path).unwrap();
    assert_eq!(files.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [8, 9]);
    for (_, file) in &files {
        assert_eq!(text(file).len(), 500);
    }
    assert_eq!(text(&path).lines().count(), 10);
}

#[test]
fn a_record_goes_whole_into_one_file_even_if_it_is_larger_than_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.log");
    let mut journal = journal(&path, 100, 9);
    for _ in 0..3 {
        journal.append(HEADER, [&[b'x'; LINE], b""], UNIX_EPOCH);
    }
    journal.flush(UNIX_EPOCH);
    let files = files::rotated(&path).unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(text(&path).len(), HEADER.len() + LINE + 1);
}

#[test]
fn an_incomplete_record_of_a_killed_writer_gets_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.log");
    fs::write(&path, "2026-11-24T10:00:00.000000000Z stdout F ha").unwrap();
    write(&mut journal(&path, 500, 3), [1]);
    let text = text(&path);
    assert_eq!(text.lines().map(|line| &line[40..]).collect::<Vec<_>>(), ["ha", "000000001"]);
}

#[test]
fn a_removed_folder_is_made_again_but_not_while_the_container_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web/0.log");
    let mut journal = journal(&path, 500, 3);
    write(&mut journal, [1]);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    write(&mut journal, [2]);
    assert!(text(&path).ends_with("000000002\n"));
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    journal.is_ending = true;
    write(&mut journal, [3]);
    assert!(!path.exists());
}

/// A small tmpfs, which is unmounted at the end of the test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = ["-t", "tmpfs", "-o", "size=16k", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(folder.path()).status().unwrap();
        assert!(mounted.success());
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_loses_counted_lines_and_leaves_no_incomplete_ones() {
    let disk = SmallDisk::mount();
    let path = disk.0.path().join("0.log");
    let mut journal = journal(&path, 1 << 20, 2);
    for line in 0..1000 {
        write(&mut journal, [line]);
    }
    assert!(journal.has_lost());
    let kept = text(&path);
    let count = kept.lines().count();
    assert!((300..=327).contains(&count), "{count}");
    assert!(kept.ends_with('\n') && kept.lines().all(|line| line.len() == 49));

    // An operator makes room.
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    write(&mut journal, [1000, 1001]);
    assert!(!journal.has_lost());
    let lines = text(&path);
    let lines: Vec<&str> = lines.lines().map(|line| &line[31..]).collect();
    let lost = 1000 - count;
    let lost_line = format!(
        "stderr F [probelet: {lost} lines, {} bytes, are lost here: No space left on device (os \
         error 28)]",
        lost * 50
    );
    assert_eq!(lines, [lost_line.as_str(), "stdout F 000001000", "stdout F 000001001"]);
}
