//! Reads the files of the folder at its opening, and moves those aside that cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::durable;
use crate::error::{LARGEST, ObjectsError};
use crate::name::ObjectName;

/// The folder of files that could not be read.
const UNREADABLE: &str = ".unreadable";

/// An object of the folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The name that its path has.
    pub name: ObjectName,
    /// The object, whose `metadata` has the same name and namespace.
    pub object: Value,
}

/// A file that could not be read, or whose object has another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The path of the file before, relative to the folder.
    pub path: PathBuf,
    /// Where the file is now; `None` if it could not be moved.
    pub now: Option<PathBuf>,
    /// Why it cannot be read. It has no content of the file, which may be secret.
    pub why: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    pub objects: Vec<Loaded>,
    pub set_aside: Vec<SetAside>,
}

impl Scan {
    /// Reads all objects below `root`, and removes what killed writes have left.
    pub fn read(root: &Path) -> Result<Self, ObjectsError> {
        let mut scan = Self::default();
        durable::absent(std::fs::remove_file(root.join(durable::UNFINISHED)))
            .map_err(ObjectsError::at(root))?;
        for resource in names(root)? {
            // The folder's own files.
            if resource.starts_with('.') {
                continue;
            }
            let of_resource = root.join(&resource);
            if !is_folder(&of_resource) {
                scan.set_aside(root, Path::new(&resource), "is no folder of objects");
                continue;
            }
            for namespace in names(&of_resource)? {
                let relative = Path::new(&resource).join(&namespace);
                if !is_folder(&root.join(&relative)) {
                    scan.set_aside(root, &relative, "is no folder of objects");
                    continue;
                }
                scan.read_namespace(root, &resource, &namespace)?;
            }
        }
        Ok(scan)
    }

    fn read_namespace(
        &mut self,
        root: &Path,
        resource: &str,
        namespace: &str,
    ) -> Result<(), ObjectsError> {
        let relative = Path::new(resource).join(namespace);
        for file in names(&root.join(&relative))? {
            let path = relative.join(&file);
            if file == durable::UNFINISHED {
                let path = root.join(path);
                durable::absent(std::fs::remove_file(&path)).map_err(ObjectsError::at(&path))?;
                continue;
            }
            match read_object(&root.join(&path), resource, namespace, &file) {
                Ok(loaded) => self.objects.push(loaded),
                Err(why) => self.set_aside(root, &path, &why),
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, root: &Path, path: &Path, why: &str) {
        let (now, why) = match move_aside(root, path) {
            Ok(now) => (Some(now), why.to_owned()),
            Err(error) => (None, format!("{why}; it cannot be moved: {error}")),
        };
        self.set_aside.push(SetAside { path: path.to_owned(), now, why });
    }
}

/// The number of files that have been moved aside.
pub fn kept(root: &Path) -> Result<usize, ObjectsError> {
    let unreadable = root.join(UNREADABLE);
    if is_folder(&unreadable) { Ok(names(&unreadable)?.len()) } else { Ok(0) }
}

fn read_object(path: &Path, resource: &str, space: &str, file: &str) -> Result<Loaded, String> {
    let name = ObjectName::of_path(resource, space, file).ok_or("is no object's file")?;
    let bytes = durable::read(path, LARGEST).map_err(|error| error.to_string())?;
    // The text of the error would have a part of the file.
    let object: Value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("is no JSON: line {} column {}", error.line(), error.column()))?;
    let text = |field: &str| object.get("metadata")?.get(field)?.as_str();
    let namespace = text("namespace").filter(|text| !text.is_empty());
    if text("name") != Some(name.name()) || namespace != name.namespace() {
        return Err("has an object of another name".to_owned());
    }
    Ok(Loaded { name, object })
}

/// Moves a file to `.unreadable/N/PATH`, with a number that no file has had.
fn move_aside(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let unreadable = root.join(UNREADABLE);
    durable::make_folder(&unreadable)?;
    let mut newest: u64 = 0;
    for entry in std::fs::read_dir(&unreadable)? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        newest = newest.max(number.unwrap_or_default());
    }
    let mut folder = unreadable.join(newest.saturating_add(1).to_string());
    durable::make_folder(&folder)?;
    for part in path.parent().into_iter().flat_map(Path::components) {
        folder.push(part);
        durable::make_folder(&folder)?;
    }
    let now = folder.join(path.file_name().unwrap_or_default());
    std::fs::rename(root.join(path), &now)?;
    durable::sync(&folder)?;
    durable::sync(root.join(path).parent().unwrap_or(root))?;
    Ok(now)
}

/// The names in a folder, in order. Every file of the folder is an object's, so a name that is not
/// UTF-8 is read as one that no object has.
fn names(folder: &Path) -> Result<Vec<String>, ObjectsError> {
    let read = || {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(ObjectsError::at(folder))
}

fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}
