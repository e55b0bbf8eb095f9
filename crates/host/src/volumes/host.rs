//! `hostPath` volumes: checks and creates the path as the kubelet does (`pkg/volume/hostpath`).

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use probelet_domain::spec::HostPathType;

pub fn check(path: &Path, kind: HostPathType) -> Result<(), String> {
    let shown = path.display();
    let is = |good: fn(&fs::FileType) -> bool, what: &str| {
        let found = fs::metadata(path).ok().map(|found| found.file_type());
        if found.as_ref().is_some_and(good) {
            return Ok(());
        }
        Err(format!("hostPath type check failed: {shown} is not {what}"))
    };
    let is_missing = || !path.exists();
    let folder = || DirBuilder::new().recursive(true).mode(0o755).create(path);
    match kind {
        HostPathType::Unset if is_missing() => {
            folder().map_err(|error| format!("mkdir {shown}: {error}"))
        }
        HostPathType::Unset => Ok(()),
        HostPathType::DirectoryOrCreate if is_missing() => {
            folder().map_err(|error| format!("mkdir {shown}: {error}"))
        }
        HostPathType::DirectoryOrCreate | HostPathType::Directory => {
            is(fs::FileType::is_dir, "a directory")
        }
        HostPathType::FileOrCreate if is_missing() => {
            let made =
                OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map(drop);
            made.map_err(|error| format!("open {shown}: {error}"))
        }
        HostPathType::FileOrCreate | HostPathType::File => is(fs::FileType::is_file, "a file"),
        HostPathType::Socket => is(|found| found.is_socket(), "a socket file"),
        HostPathType::CharDevice => is(|found| found.is_char_device(), "a character device"),
        HostPathType::BlockDevice => is(|found| found.is_block_device(), "a block device"),
    }
}
