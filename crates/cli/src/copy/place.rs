//! Paths in a container, which are texts: its files are not on this host.

/// The folder of a path, and the name in it. The name is empty if the path ends with `/`, `.` or `..`
/// and so means a folder by itself.
pub fn split(path: &str) -> (&str, &str) {
    let trimmed = path.trim_end_matches('/');
    let (folder, name) = match trimmed.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((folder, name)) => (folder, name),
        None => (".", trimmed),
    };
    match name {
        "" => ("/", ""),
        "." | ".." => (path, ""),
        name => (folder, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_folder_and_a_name() {
        for (path, parts) in [
            ("/etc/hosts", ("/etc", "hosts")),
            ("/etc//", ("/", "etc")),
            ("etc", (".", "etc")),
            ("a/b/", ("a", "b")),
            ("/", ("/", "")),
            (".", (".", "")),
            ("/a/..", ("/a/..", "")),
            ("-x", (".", "-x")),
        ] {
            assert_eq!(split(path), parts, "{path}");
        }
    }
}
