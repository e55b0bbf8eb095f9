//! Manifests from files, folders and stdin, split into single objects.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use probelet_host::files;
use probelet_manifest::{File, LARGEST, Sources};

/// The suffixes of the files that kubectl reads from a folder.
const SUFFIXES: [&str; 3] = ["yaml", "yml", "json"];

/// Files of one folder, and of those below it.
const MOST_FILES: usize = 4096;

/// The objects of all files; a text that cannot be read is an error.
pub fn read(paths: &[PathBuf], is_recursive: bool) -> Result<Sources> {
    let sources = Sources::read(texts(paths, is_recursive)?);
    if let Some(error) = sources.errors.first() {
        return Err(Error::Other(format!("{}: {}", error.position, error.text())));
    }
    match sources.values.is_empty() {
        true => Err(Error::Other("no objects passed".to_owned())),
        false => Ok(sources),
    }
}

/// The texts of all files; of the folders below a folder too if `is_recursive`.
pub fn texts(paths: &[PathBuf], is_recursive: bool) -> Result<Vec<File>> {
    let mut all = Vec::new();
    let mut left = LARGEST;
    for path in paths {
        if path.as_os_str() == "-" {
            let text = text(io::stdin(), &mut left).map_err(|e| unreadable(path, e))?;
            all.push(File { name: "stdin".to_owned(), text });
            continue;
        }
        for file in files_of(path, is_recursive)? {
            let text = fs::File::open(&file).and_then(|file| text(file, &mut left));
            let text = text.map_err(|e| unreadable(&file, e))?;
            all.push(File { name: file.display().to_string(), text });
        }
    }
    Ok(all)
}

/// `left` is the number of bytes that all remaining texts may have.
fn text(from: impl Read, left: &mut usize) -> io::Result<String> {
    let bytes = files::read_start_of(from, left.saturating_add(1))?;
    *left = left.checked_sub(bytes.len()).ok_or_else(|| {
        io::Error::other(format!("all manifests together are larger than {} MiB", LARGEST >> 20))
    })?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("is not UTF-8"))
}

/// A file is read whatever its name is; the files of a folder in the order of their paths. Folders below
/// it are read only on request, and a link to a folder never: it might lead back.
fn files_of(path: &Path, is_recursive: bool) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut files, mut folders) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| unreadable(&folder, e))? {
            let entry = entry.map_err(|e| unreadable(&folder, e))?;
            let file = entry.path();
            let suffix = file.extension().and_then(|s| s.to_str()).unwrap_or_default();
            if is_recursive && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(file);
            } else if SUFFIXES.contains(&suffix) && !file.is_dir() {
                files.push(file);
                if files.len() > MOST_FILES {
                    let why = format!("more than {MOST_FILES} manifests below {}", path.display());
                    return Err(Error::Other(why));
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::File { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_and_lists() {
        let text =
            "# top\n---\nkind: Pod\na: 1\n---\nkind: List\nitems: [{kind: Pod, a: 2}]\n---\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, text).unwrap();
        assert_eq!(
            read(std::slice::from_ref(&path), false).unwrap().values,
            [json!({"kind": "Pod", "a": 1}), json!({"kind": "Pod", "a": 2})]
        );
        fs::write(&path, "a: 1\nb: [\n").unwrap();
        let error = read(std::slice::from_ref(&path), false).err().unwrap().lines().join("\n");
        assert!(error.contains("/x:3:1: "), "{error}");
    }

    #[test]
    fn folder_in_order_of_name() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("b.yml", "n: 2"), ("a.yaml", "n: 1"), ("c.json", "{\"n\": 3}")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        fs::write(dir.path().join("README"), "[").unwrap();
        let objects = read(&[dir.path().to_owned()], false).unwrap().values;
        assert_eq!(objects, [json!({"n": 1}), json!({"n": 2}), json!({"n": 3})]);
    }

    #[test]
    fn folders_below_are_read_on_request_and_links_to_folders_never() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/c")).unwrap();
        for (name, text) in [("a.yaml", "n: 1"), ("b/a.yaml", "n: 2"), ("b/c/a.yaml", "n: 3")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("b/back.yaml")).unwrap();
        let objects = |is_recursive| read(&[dir.path().to_owned()], is_recursive).unwrap().values;
        assert_eq!(objects(false), [json!({"n": 1})]);
        assert_eq!(objects(true), [json!({"n": 1}), json!({"n": 2}), json!({"n": 3})]);
    }

    #[test]
    fn errors_name_the_file() {
        let error = read(&[PathBuf::from("/nonexistent/x.yaml")], false).err().unwrap();
        let line = error.lines().join("\n");
        assert!(line.starts_with("error: /nonexistent/x.yaml: No such file"), "{line}");
    }
}
