//! Refusals by containerd, its shims and runc that a caller acts upon. gRPC's codes do not
//! distinguish them, so their texts are read, here and nowhere else.

use std::path::PathBuf;

use probelet_runtime::Refusal;

/// Returns the refusal that a failed call's text means. The texts are those of containerd 1.6, 1.7
/// and 2.1 with runc.
pub fn of(text: &str) -> Option<Refusal> {
    if text.contains("ttrpc: closed") {
        return Some(Refusal::ShimDied);
    }
    if text.contains("cannot delete a running") || text.contains("cannot delete a paused") {
        return Some(Refusal::StillRunning);
    }
    if text.contains("file exists") {
        return Some(bundle(text).map_or(Refusal::StateInTheWay, Refusal::BundleInTheWay));
    }
    text.contains("with given ID already exists").then_some(Refusal::StateInTheWay)
}

/// True if containerd still locks an ingest that another call of this daemon has just closed.
pub fn is_locked(text: &str) -> bool {
    text.contains("locked")
}

/// The folder that the shim could not create.
fn bundle(text: &str) -> Option<PathBuf> {
    let (_, rest) = text.split_once("mkdir ")?;
    let (path, _) = rest.split_once(": file exists")?;
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_known_by_its_text() {
        let folder = "/run/containerd/io.containerd.runtime.v2.task/probelet/web_0";
        for (text, refusal) in [
            ("ttrpc: closed: unknown".to_owned(), Refusal::ShimDied),
            (
                "cannot delete a running process: failed precondition".to_owned(),
                Refusal::StillRunning,
            ),
            ("cannot delete a paused container".to_owned(), Refusal::StillRunning),
            (
                format!("failed to start shim: mkdir {folder}: file exists: unknown"),
                Refusal::BundleInTheWay(folder.into()),
            ),
            ("failed to rename: file exists".to_owned(), Refusal::StateInTheWay),
            (
                "OCI runtime create failed: container with given ID already exists".to_owned(),
                Refusal::StateInTheWay,
            ),
        ] {
            assert_eq!(of(&text), Some(refusal), "{text}");
        }
        assert_eq!(of("OCI runtime create failed: exec: \"/no\": no such file"), None);
    }
}
