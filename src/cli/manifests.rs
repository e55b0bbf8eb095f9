//! Manifests from files, folders and stdin, split into single objects.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::error::{Error, Result};

/// kubectl takes these out of a folder.
const SUFFIXES: [&str; 3] = ["yaml", "yml", "json"];

pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map_err(|e| unreadable(path, &e))?;
            objects.extend(split(&text).map_err(|e| invalid(path, &e))?);
            continue;
        }
        for file in files(path)? {
            let text = std::fs::read_to_string(&file).map_err(|e| unreadable(&file, &e))?;
            objects.extend(split(&text).map_err(|e| invalid(&file, &e))?);
        }
    }
    match objects.is_empty() {
        true => Err(Error::Other("no objects passed".to_owned())),
        false => Ok(objects),
    }
}

/// A file is taken whatever its name; a folder's files in order of name, not recursively.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| unreadable(path, &e))? {
        let file = entry.map_err(|e| unreadable(path, &e))?.path();
        let suffix = file.extension().and_then(|s| s.to_str()).unwrap_or_default();
        if SUFFIXES.contains(&suffix) && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Every document; a List becomes its items. JSON is YAML.
fn split(text: &str) -> std::result::Result<Vec<Value>, serde_norway::Error> {
    let mut objects = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        match Value::deserialize(document)? {
            // `---` at the end, or comments alone.
            Value::Null => {}
            Value::Object(mut fields) if is_list(&fields) => match fields.remove("items") {
                Some(Value::Array(items)) => objects.extend(items),
                _ => objects.push(Value::Object(fields)),
            },
            object => objects.push(object),
        }
    }
    Ok(objects)
}

fn is_list(fields: &serde_json::Map<String, Value>) -> bool {
    matches!(fields.get("kind").and_then(Value::as_str), Some("List" | "PodList"))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Other(format!("{}: {error}", path.display()))
}

fn invalid(path: &Path, error: &serde_norway::Error) -> Error {
    Error::Other(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_and_lists() {
        let text =
            "# top\n---\nkind: Pod\na: 1\n---\nkind: List\nitems: [{kind: Pod, a: 2}]\n---\n";
        assert_eq!(
            split(text).unwrap(),
            [json!({"kind": "Pod", "a": 1}), json!({"kind": "Pod", "a": 2})]
        );
        assert!(split("a: [").is_err());
    }

    #[test]
    fn folder_in_order_of_name() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("b.yml", "n: 2"), ("a.yaml", "n: 1"), ("c.json", "{\"n\": 3}")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        std::fs::write(dir.path().join("README"), "[").unwrap();
        let objects = read(&[dir.path().to_owned()]).unwrap();
        assert_eq!(objects, [json!({"n": 1}), json!({"n": 2}), json!({"n": 3})]);
    }

    #[test]
    fn errors_name_the_file() {
        let error = read(&[PathBuf::from("/nonexistent/x.yaml")]).unwrap_err();
        let line = error.lines().join("\n");
        assert!(line.starts_with("error: /nonexistent/x.yaml: No such file"), "{line}");
    }
}
