//! From this host to a container: files, folders and symbolic links, which belong to the user of the
//! container's `tar`.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::super::connect::Client;
use super::super::error::{Error, Result};
use super::super::io::Io;
use super::from_pod::must_have_worked;
use super::place;
use super::transfer::{Container, Input, Running};

pub async fn copy(
    client: &Client,
    to: &Container,
    from: &Path,
    path: &str,
    io: &mut Io<'_>,
) -> Result<()> {
    let is_folder = fs::symlink_metadata(from)
        .map_err(|error| Error::File { path: from.to_owned(), error })?
        .is_dir();
    let (mut folder, mut name) = place::split(path);
    let own = from.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // An existing folder takes the copy with its name, as does a path that ends with a slash.
    if name.is_empty() || path.ends_with('/') || is_a_folder(client, to, path).await? {
        (folder, name) = (path, own);
    }
    if name.is_empty() && !is_folder {
        return Err(Error::Usage(format!("{} is no name of a file", from.display())));
    }
    let command = ["tar", "xmf", "-", "-C", folder];
    let mut running = Running::start(client, to, &command, true).await?;
    let input = running.input();
    let (from, name) = (from.to_owned(), name.to_owned());
    let packing = tokio::task::spawn_blocking(move || match input {
        Some(input) => pack(input, &from, &name),
        None => Ok(Vec::new()),
    });
    let ended = running.end(None).await?;
    let packed = packing.await.map_err(|error| Error::Other(error.to_string()))?;
    // A tar that has failed takes no more input: that is not the reason.
    must_have_worked(&ended, to)?;
    for left_out in packed? {
        let path = left_out.display();
        io.warn(&format!("{path} is left out: it is neither a file, a folder nor a link"))?;
    }
    Ok(())
}

/// Whether a path in the container is a folder, into which `tar` unpacks an archive without entries.
/// Images have no other program for sure.
async fn is_a_folder(client: &Client, of: &Container, path: &str) -> Result<bool> {
    let mut running = Running::start(client, of, &["tar", "xf", "-", "-C", path], true).await?;
    let input = running.input();
    let writing = tokio::task::spawn_blocking(move || {
        let Some(mut input) = input else { return };
        // A command that has ended takes no input.
        let _ = input.write_all(&[0; 1024]);
        input.close();
    });
    let ended = running.end(None).await;
    writing.await.map_err(|error| Error::Other(error.to_string()))?;
    Ok(ended?.code == 0)
}

/// Writes the archive of a file or folder, and returns what is left out.
fn pack(input: Input, from: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let mut builder = Builder::new(BufWriter::new(input));
    let mut left_out = Vec::new();
    // Folders are not followed into links, so this ends.
    let mut left = vec![(from.to_owned(), PathBuf::from(name))];
    while let Some((path, name)) = left.pop() {
        let at = |error| Error::File { path: path.clone(), error };
        let metadata = fs::symlink_metadata(&path).map_err(at)?;
        if !add(&mut builder, &path, &name, &metadata).map_err(at)? {
            left_out.push(path.clone());
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(&path).map_err(at)? {
                let entry = entry.map_err(at)?;
                left.push((entry.path(), name.join(entry.file_name())));
            }
        }
    }
    let written = builder.into_inner().and_then(|writer| {
        let mut writer = writer;
        writer.flush()?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)
    });
    // A pipe that was closed is no error of this side: the command says why it has ended.
    match written {
        Ok(input) => input.close(),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(error.into()),
    }
    Ok(left_out)
}

/// Adds one file, folder or link; false for anything else.
fn add(
    builder: &mut Builder<impl Write>,
    path: &Path,
    name: &Path,
    metadata: &Metadata,
) -> io::Result<bool> {
    let mut header = Header::new_gnu();
    header.set_mode(metadata.permissions().mode() & 0o777);
    header.set_size(0);
    if metadata.is_dir() {
        // The folder that takes the copy exists.
        if !name.as_os_str().is_empty() {
            header.set_entry_type(EntryType::Directory);
            builder.append_data(&mut header, name, io::empty())?;
        }
    } else if metadata.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        builder.append_link(&mut header, name, fs::read_link(path)?)?;
    } else if metadata.is_file() {
        header.set_entry_type(EntryType::Regular);
        header.set_size(metadata.len());
        let mut rest = Exactly { file: File::open(path)?, left: metadata.len() };
        builder.append_data(&mut header, name, &mut rest)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// A file, as long as it was when its header was written: it may grow meanwhile.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(buffer.get_mut(..length).unwrap_or_default())?;
        if read == 0 && length > 0 {
            return Err(io::Error::other("became shorter while it was copied"));
        }
        self.left = self.left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}
