//! From a container to this host. The container is not trusted: of its archive only files and folders
//! are taken, and they are opened below the target without following a link.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, open, openat2};
use rustix::io::Errno;
use tar::Archive;

use probelet_text::system_error::without_number;

use super::super::connect::Client;
use super::super::error::{Error, Result};
use super::super::io::Io;
use super::archive::{Entry, Kind, Source};
use super::place;
use super::transfer::{Container, Ended, Running, output};

/// How many files that are left out are named.
const NAMED: usize = 10;
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

pub async fn copy(
    client: &Client,
    of: &Container,
    path: &str,
    to: &Path,
    io: &mut Io<'_>,
) -> Result<()> {
    let (folder, root) = place::split(path);
    let target = Target::of(to, root)?;
    // Never an option of tar.
    let name = if root.is_empty() { ".".to_owned() } else { format!("./{root}") };
    let command = ["tar", "cf", "-", "-C", folder, &name];
    let running = Running::start(client, of, &command, false).await?;
    let (sender, bytes) = output();
    let root = root.to_owned();
    let unpacking = tokio::task::spawn_blocking(move || unpack(bytes, &target, &root));
    let ended = running.end(Some(sender)).await;
    let unpacked = unpacking.await.map_err(|error| Error::Other(error.to_string()))?;
    let failed = |error: io::Error| {
        let error = without_number(&error.to_string());
        Error::Other(format!("{}:{path}: {error}", of.pod))
    };
    let left_out = match unpacked {
        // If tar has failed, the end of the archive is missing: that is not the reason.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            must_have_worked(&ended?, of)?;
            return Err(failed(error));
        }
        unpacked => unpacked.map_err(failed)?,
    };
    must_have_worked(&ended?, of)?;
    for (name, why) in left_out.named {
        io.warn(&format!("{name} is left out: it is {why}"))?;
    }
    if left_out.more > 0 {
        io.warn(&format!("{} more are left out", left_out.more))?;
    }
    Ok(())
}

/// The error of a `tar` that is missing or has failed.
pub fn must_have_worked(ended: &Ended, of: &Container) -> Result<()> {
    let why = match (ended.code, ended.errors.as_str()) {
        (0, _) => return Ok(()),
        (code, "") => format!("tar in pod/{} ended with exit code {code}", of.pod),
        (_, errors) => errors.to_owned(),
    };
    Err(Error::Other(why))
}

/// Where the copy goes: names below an open folder.
struct Target {
    folder: OwnedFd,
    /// The name of the copy in the folder; none if the folder itself is the copy.
    name: Option<String>,
    path: PathBuf,
}

impl Target {
    /// An existing folder takes the copy with its name; any other path is the name of the copy.
    fn of(to: &Path, name: &str) -> Result<Self> {
        let (folder, name) = match (fs::metadata(to).is_ok_and(|it| it.is_dir()), name) {
            (true, "") => (to.to_owned(), None),
            (true, name) => (to.to_owned(), Some(name.to_owned())),
            (false, _) => {
                let folder = to.parent().filter(|it| !it.as_os_str().is_empty());
                let name = to.file_name().and_then(|name| name.to_str());
                let name = name.ok_or_else(|| {
                    Error::Usage(format!("{} is no name of a file or folder", to.display()))
                })?;
                (folder.unwrap_or(Path::new(".")).to_owned(), Some(name.to_owned()))
            }
        };
        let opened = open(&folder, FOLDER, Mode::empty());
        let opened =
            opened.map_err(|error| Error::File { path: folder.clone(), error: error.into() })?;
        Ok(Self { folder: opened, name, path: folder })
    }

    /// The names of an entry below the folder: the copy's own name is replaced.
    fn names(&self, entry: &[String], root: &str) -> io::Result<Vec<String>> {
        let rest = match (root, entry) {
            ("", names) => names,
            (root, [first, rest @ ..]) if first == root => rest,
            _ => return Err(io::Error::other("the archive has a name that was not asked for")),
        };
        Ok(self.name.iter().chain(rest).cloned().collect())
    }

    /// Creates a folder, or takes the one that exists.
    fn folder(&self, names: &[String], mode: u32) -> io::Result<()> {
        // Its owner must be able to write what is in it.
        let mode = Mode::from_raw_mode(mode & 0o777 | 0o700);
        let Some((name, parents)) = names.split_last() else { return Ok(()) };
        match mkdirat(self.parent(parents)?, name, mode) {
            Ok(()) => Ok(()),
            // Fails if it is no folder.
            Err(Errno::EXIST) => Ok(self.parent(names).map(drop)?),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a file, also over one that exists.
    fn file<R: Read>(&self, names: &[String], mut entry: Entry<'_, R>) -> io::Result<()> {
        let Some((name, parents)) = names.split_last() else {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NONBLOCK;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Neither setuid nor the like: what a container wrote gets no rights here.
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let file = openat2(self.parent(parents)?, name.as_str(), flags, mode, BELOW)?;
        let mut file = File::from(file);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("is no file"));
        }
        let written = io::copy(&mut entry.data, &mut file)?;
        if written == entry.size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn parent(&self, names: &[String]) -> rustix::io::Result<OwnedFd> {
        let path = match names {
            [] => ".".to_owned(),
            names => names.join("/"),
        };
        openat2(&self.folder, path, FOLDER, Mode::empty(), BELOW)
    }
}

/// Nothing outside, and no link, also if the folder is changed meanwhile.
const BELOW: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

#[derive(Debug, Default)]
struct LeftOut {
    named: Vec<(String, &'static str)>,
    more: usize,
}

impl LeftOut {
    fn add(&mut self, name: String, why: &'static str) -> io::Result<()> {
        match self.named.len() {
            0..NAMED => self.named.push((name, why)),
            _ => self.more = self.more.saturating_add(1),
        }
        Ok(())
    }
}

/// Writes what the archive holds. `root` is the name of the copied file or folder in it.
fn unpack(bytes: impl Read, target: &Target, root: &str) -> io::Result<LeftOut> {
    let mut left_out = LeftOut::default();
    let mut archive = Archive::new(bytes);
    let mut source = Source::of(&mut archive)?;
    let mut is_empty = true;
    while let Some(entry) = source.next()? {
        is_empty = false;
        let names = target.names(&entry.names, root)?;
        let shown = || target.path.join(names.join("/")).display().to_string();
        match entry.kind {
            Kind::Other(why) => left_out.add(shown(), why),
            Kind::Folder => target.folder(&names, entry.mode),
            Kind::File => target.file(&names, entry),
        }
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", shown())))?;
    }
    if is_empty {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tar::{Builder, EntryType, Header};

    use super::*;

    /// An archive as a hostile container can write it: the library refuses such names.
    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, data) in entries {
            let mut header = Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(data.len() as u64);
            header.set_mode(0o4755);
            if matches!(kind, Symlink | Link) {
                header.set_link_name("/etc").unwrap();
            }
            header.set_cksum();
            builder.append(&header, data.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(to: &Path, root: &str, entries: &[(&str, EntryType, &str)]) -> io::Result<LeftOut> {
        unpack(&*archive(entries), &Target::of(to, root).unwrap(), root)
    }

    use EntryType::{Directory, Fifo, Link, Regular, Symlink};

    #[test]
    fn files_and_folders_are_written_without_special_bits() {
        let dir = tempfile::tempdir().unwrap();
        let entries = [
            ("./app", Directory, ""),
            ("./app/sub/", Directory, ""),
            ("./app/sub/file", Regular, "hello"),
        ];
        unpacked(dir.path(), "app", &entries).unwrap();
        let file = dir.path().join("app/sub/file");
        assert_eq!(fs::read_to_string(&file).unwrap(), "hello");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7000, 0);
        // Once more, over what exists, and with a new name.
        unpacked(dir.path(), "app", &entries).unwrap();
        unpacked(&dir.path().join("new"), "app", &entries).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("new/sub/file")).unwrap(), "hello");
        // A folder by itself.
        let here = [("./", Directory, ""), ("./x", Regular, "y")];
        unpacked(dir.path(), "", &here).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("x")).unwrap(), "y");
    }

    #[test]
    fn nothing_is_written_elsewhere() {
        let outer = tempfile::tempdir().unwrap();
        let to = outer.path().join("to");
        fs::create_dir(&to).unwrap();
        for name in
            ["../evil", "./app/../../evil", "/evil", "./other/evil", "./app/x/../../../evil"]
        {
            let error = unpacked(&to, "app", &[(name, Regular, "x")]);
            assert!(error.is_err(), "{name}: {error:?}");
        }
        // A link of the archive is not made, and what would be below it fails.
        let below =
            [("./app", Directory, ""), ("./app/l", Symlink, ""), ("./app/l/x", Regular, "x")];
        assert!(unpacked(&to, "app", &below).is_err());
        // A link that is there already is not followed, neither as a folder nor as a file.
        fs::create_dir(outer.path().join("out")).unwrap();
        symlink(outer.path().join("out"), to.join("app/link")).unwrap();
        symlink(outer.path().join("target"), to.join("app/file")).unwrap();
        assert!(unpacked(&to, "app", &[("./app/link/x", Regular, "x")]).is_err());
        assert!(unpacked(&to, "app", &[("./app/link", Directory, "")]).is_err());
        assert!(unpacked(&to, "app", &[("./app/file", Regular, "x")]).is_err());
        let all: Vec<_> =
            fs::read_dir(outer.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(fs::read_dir(outer.path().join("out")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_left_out_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut entries = vec![("./app", Directory, ""), ("./app/pipe", Fifo, "")];
        entries.extend((0..20).map(|_| ("./app/link", Symlink, "")));
        entries.push(("./app/hard", Link, ""));
        let left_out = unpacked(dir.path(), "app", &entries).unwrap();
        assert_eq!((left_out.named.len(), left_out.more), (NAMED, 12));
        assert_eq!(left_out.named[0].1, "neither a file nor a folder");
        assert_eq!(fs::read_dir(dir.path().join("app")).unwrap().count(), 0);
    }

    #[test]
    fn a_header_of_any_length_is_not_read_into_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut header = Header::new_gnu();
        header.set_path("././@LongLink").unwrap();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(1 << 40);
        header.set_cksum();
        let bytes = header.as_bytes().to_vec();
        let endless = bytes.as_slice().chain(io::repeat(b'a'));
        let error = unpack(endless, &Target::of(dir.path(), "a").unwrap(), "a").unwrap_err();
        assert_eq!(error.to_string(), "an entry's header is too long");
    }

    #[test]
    fn long_names_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("{}/{}", "a".repeat(120), "b".repeat(120));
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o600);
        let folder = "a".repeat(120);
        let mut of_folder = header.clone();
        of_folder.set_entry_type(Directory);
        of_folder.set_size(0);
        builder.append_data(&mut of_folder, format!("{folder}/"), io::empty()).unwrap();
        builder.append_data(&mut header, &name, &b"x"[..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        unpack(&*bytes, &Target::of(dir.path(), &folder).unwrap(), &folder).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "x");
    }
}
