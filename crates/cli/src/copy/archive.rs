//! The entries of an archive that a container wrote: it may hold anything, so each name is checked and
//! each size has a limit.

use std::io::{self, Read};

use tar::{Archive, Entries, EntryType, PaxExtensions};

/// Bytes of a long name, and of the extended headers of an entry.
const HEADERS: u64 = 64 << 10;

/// What an entry is.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    Folder,
    File,
    /// What is not copied, by its name in a message.
    Other(&'static str),
}

/// An entry, with the names of its path.
pub struct Entry<'a, R: Read> {
    /// Empty for the folder that is copied itself.
    pub names: Vec<String>,
    pub kind: Kind,
    pub mode: u32,
    pub size: u64,
    pub data: tar::Entry<'a, R>,
}

/// The entries of an archive, one after the other.
pub struct Source<'a, R: Read> {
    /// Raw: the library would read a name of any length into memory.
    entries: Entries<'a, R>,
}

impl<'a, R: Read> Source<'a, R> {
    pub fn of(archive: &'a mut Archive<R>) -> io::Result<Self> {
        Ok(Self { entries: archive.entries()?.raw(true) })
    }

    /// The next entry. Fails on a name that leads elsewhere, and on headers that are too long.
    pub fn next(&mut self) -> io::Result<Option<Entry<'a, R>>> {
        let mut long_name = None;
        loop {
            let Some(entry) = self.entries.next() else { return Ok(None) };
            let mut data = entry?;
            let header = data.header();
            let (kind, size) = (header.entry_type(), header.size()?);
            match kind {
                EntryType::GNULongName => {
                    let mut name = bounded(&mut data, size)?;
                    name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
                    long_name = Some(name);
                    continue;
                }
                EntryType::XHeader => {
                    if let Some(name) = path_of(&bounded(&mut data, size)?)? {
                        long_name = Some(name);
                    }
                    continue;
                }
                // The target of a link, which is not copied, and what is about all entries.
                EntryType::GNULongLink | EntryType::XGlobalHeader => continue,
                _ => {}
            }
            let path = long_name.unwrap_or_else(|| data.header().path_bytes().into_owned());
            let (names, mode) = (names(&path)?, data.header().mode()?);
            let kind = match kind {
                EntryType::Directory => Kind::Folder,
                EntryType::Regular | EntryType::Continuous => Kind::File,
                EntryType::Symlink => Kind::Other("a symbolic link"),
                EntryType::Link => Kind::Other("a second name of a file"),
                _ => Kind::Other("neither a file nor a folder"),
            };
            return Ok(Some(Entry { names, kind, mode, size, data }));
        }
    }
}

fn bounded(data: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    if size > HEADERS {
        return Err(wrong("an entry's header is too long"));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    data.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The path in an extended header.
fn path_of(header: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut path = None;
    for extension in PaxExtensions::new(header) {
        let extension = extension?;
        match extension.key_bytes() {
            b"path" => path = Some(extension.value_bytes().to_vec()),
            // The data would be read with the size of the other header.
            b"size" => {
                return Err(wrong("a file of 8 GiB or more is in a format without its size"));
            }
            _ => {}
        }
    }
    Ok(path)
}

/// The names of a path. Those that lead out of the copied folder are refused.
fn names(path: &[u8]) -> io::Result<Vec<String>> {
    let text = std::str::from_utf8(path);
    let text = text.map_err(|_| wrong("a name is not UTF-8"))?;
    let names = text.split('/').filter(|name| !matches!(*name, "" | "."));
    let names: Vec<String> = names.map(str::to_owned).collect();
    let is_elsewhere = names.iter().any(|name| name == ".." || name.contains('\0'));
    if text.starts_with('/') || is_elsewhere {
        return Err(wrong(&format!("the name {text:?} leads out of the copied folder")));
    }
    Ok(names)
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}
