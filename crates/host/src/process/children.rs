//! The children of a process, as the kernel lists them. This costs a few reads of `/proc`, whatever
//! number of processes the host has.

use std::collections::BTreeSet;
use std::io;

use crate::files;

/// How often the lists are read. A child whose parent dies moves to another list, which may have
/// been read just before, and the next reading finds it there.
const READINGS: usize = 2;

/// Returns the pids of the children of all threads of a process, zombies included. Blocks.
///
/// # Errors
///
/// If the process does not exist, or if the kernel does not list children.
pub fn of(pid: u32) -> io::Result<BTreeSet<u32>> {
    let mut children = BTreeSet::new();
    for _ in 0..READINGS {
        for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let list = match files::read_kernel(thread?.path().join("children")) {
                // The thread has ended, and its children have another parent.
                Err(error) if is_end_of(&error) => continue,
                list => list?,
            };
            children.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    // Without the kernel's support every file is missing, which looks like the end of each thread.
    files::read_kernel(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(children)
}

fn is_end_of(error: &io::Error) -> bool {
    let gone = rustix::io::Errno::SRCH.raw_os_error();
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(gone)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_children_of_each_thread_are_listed() {
        let own = std::process::id();
        let mut first = Command::new("sleep").arg("60").spawn().unwrap();
        let (listed, mut second) = std::thread::spawn(move || {
            let second = Command::new("sleep").arg("60").spawn().unwrap();
            (of(own).unwrap(), second)
        })
        .join()
        .unwrap();
        assert!(listed.contains(&first.id()) && listed.contains(&second.id()), "{listed:?}");
        for child in [&mut first, &mut second] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let left = of(own).unwrap();
        assert!(!left.contains(&first.id()) && !left.contains(&second.id()), "{left:?}");
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        assert!(of(u32::MAX).is_err());
    }
}
