//! Rules and texts of volumes and their mounts.

use std::collections::BTreeSet;

use super::{Findings, SpecError, names};
use crate::spec::{
    AccountToken, ContainerSpec, Files, Part, PodSpec, Propagation, RecursiveReadOnly, SubPath,
    VolumeSource, sub_path_flaw,
};

const LARGEST_MODE: u32 = 0o777;
/// Least and most seconds that a token is valid, as in Kubernetes.
const SHORTEST_TOKEN: i64 = 600;
const LONGEST_TOKEN: i64 = 1 << 32;
/// Maximum size in bytes of an object, as in Kubernetes, and of all objects that one pod stores in
/// its records.
const LARGEST: usize = 1 << 20;

pub fn pod_rules(found: &mut Findings, pod: &PodSpec) {
    let mut seen = BTreeSet::new();
    let mut stored = 0;
    for (index, volume) in pod.volumes.iter().enumerate() {
        let at = format!("spec.volumes[{index}]");
        found.name(&format!("{at}.name"), &volume.name, names::dns_label);
        if !seen.insert(&volume.name) {
            found.add(SpecError::duplicate(format!("{at}.name"), &volume.name));
        }
        match &volume.source {
            VolumeSource::EmptyDir { .. } => {}
            VolumeSource::HostPath { path, .. } => {
                let field = format!("{at}.hostPath.path");
                if path.is_empty() {
                    found.add(SpecError::required(field, ""));
                } else if path.split('/').any(|part| part == "..") {
                    found.add(SpecError::invalid(field, path, "must not contain '..'"));
                } else if !path.starts_with('/') {
                    found.add(SpecError::invalid(field, path, "must be an absolute path"));
                }
            }
            VolumeSource::Files(files) => files_rules(found, &at, files, &mut stored),
            VolumeSource::Image(image) if image.reference.is_empty() => {
                found.add(SpecError::required(format!("{at}.image.reference"), ""));
            }
            VolumeSource::Image(_) => {}
        }
    }
    for (index, container) in pod.all().enumerate() {
        mount_rules(found, &pod.field_at(index), container, &seen);
    }
}

fn files_rules(found: &mut Findings, at: &str, files: &Files, stored: &mut usize) {
    let mut paths = Vec::new();
    let whole = match files.parts.first() {
        _ if files.projected => "projected".to_owned(),
        part => part.map(Part::word).unwrap_or_default().to_owned(),
    };
    mode(found, format!("{at}.{whole}.defaultMode"), Some(files.default_mode));
    for (index, part) in files.parts.iter().enumerate() {
        let kind = part.word();
        let at = match files.projected {
            true => format!("{at}.projected.sources[{index}].{kind}"),
            false => format!("{at}.{kind}"),
        };
        let items: Vec<_> = match part {
            Part::Object { items, data, name, .. } => {
                let size: usize = data.iter().map(|(key, c)| key.len() + c.0.len()).sum();
                *stored += size;
                found.check(size <= LARGEST && *stored <= LARGEST, || {
                    let field =
                        if kind == "secret" && !files.projected { "secretName" } else { "name" };
                    let whole =
                        if size > LARGEST { "" } else { ", all volumes of the pod together" };
                    let why = format!("Too long: may not be more than {LARGEST} bytes{whole}");
                    SpecError::new(format!("{at}.{field}"), format!("{name:?}: {why}"))
                });
                if items.is_empty() {
                    paths.extend(data.keys().map(|key| (at.clone(), key.as_str())));
                }
                items.iter().map(|item| (item.path.as_str(), item.mode)).collect()
            }
            Part::DownwardApi(items) => {
                items.iter().map(|item| (item.path.as_str(), item.mode)).collect()
            }
            Part::ServiceAccountToken(token) => {
                token_rules(found, &at, token);
                paths.push((format!("{at}.path"), &token.path));
                Vec::new()
            }
        };
        for (index, (path, its_mode)) in items.into_iter().enumerate() {
            let at = format!("{at}.items[{index}]");
            mode(found, format!("{at}.mode"), its_mode);
            paths.push((format!("{at}.path"), path));
        }
    }
    let mut earlier = Paths::default();
    for (field, path) in &paths {
        if path.is_empty() {
            found.add(SpecError::required(field, ""));
        } else if let Some(why) = file_flaw(path) {
            found.add(SpecError::invalid(field, path, why));
        } else if !earlier.add(path) {
            found.add(SpecError::invalid(field, path, "conflicting duplicate paths"));
        }
    }
}

fn token_rules(found: &mut Findings, at: &str, token: &AccountToken) {
    let seconds = token.expiration_seconds;
    let why = match seconds {
        ..SHORTEST_TOKEN => "may not specify a duration less than 10 minutes",
        _ if seconds > LONGEST_TOKEN => "may not specify a duration larger than 2^32 seconds",
        _ => return,
    };
    found.add(SpecError::invalid(format!("{at}.expirationSeconds"), seconds, why));
}

fn file_flaw(path: &str) -> Option<&'static str> {
    let parts: Vec<_> = path.split('/').collect();
    sub_path_flaw(path).or_else(|| {
        if path.starts_with("..") {
            Some("must not start with '..'")
        } else if parts.iter().any(|part| matches!(*part, "" | ".")) {
            Some("must be the path of a file")
        } else if path.contains('\0') || parts.iter().any(|part| part.len() > 255) {
            Some("must be a path of names of at most 255 bytes")
        } else {
            None
        }
    })
}

/// Files of a volume, and the folders that they need.
#[derive(Default)]
struct Paths<'a> {
    files: BTreeSet<&'a str>,
    folders: BTreeSet<&'a str>,
}

impl<'a> Paths<'a> {
    /// Adds a file. Returns false if the path is a file or folder of the volume already, or if one
    /// of its folders is a file.
    fn add(&mut self, path: &'a str) -> bool {
        let mut above = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
        let is_free = !self.folders.contains(path)
            && !above.clone().any(|folder| self.files.contains(folder))
            && self.files.insert(path);
        if is_free {
            self.folders.extend(above.by_ref());
        }
        is_free
    }
}

fn mode(found: &mut Findings, field: String, mode: Option<u32>) {
    let mode = mode.unwrap_or_default();
    found.check(mode <= LARGEST_MODE, || {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        SpecError::invalid(field, mode, why)
    });
}

fn mount_rules(
    found: &mut Findings,
    at: &str,
    container: &ContainerSpec,
    volumes: &BTreeSet<&String>,
) {
    let mut seen = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        let at = format!("{at}.volumeMounts[{index}]");
        let name = format!("{at}.name");
        if mount.name.is_empty() {
            found.add(SpecError::required(name, ""));
        } else if !volumes.contains(&mount.name) {
            found.add(SpecError::new(name, format!("Not found: {:?}", mount.name)));
        }
        let path = format!("{at}.mountPath");
        if mount.mount_path.is_empty() {
            found.add(SpecError::required(path, ""));
        } else if !seen.insert(&mount.mount_path) {
            found.add(SpecError::invalid(path, &mount.mount_path, "must be unique"));
        } else if mount.mount_path.split('/').all(|part| matches!(part, "" | ".")) {
            found.add(SpecError::invalid(path, &mount.mount_path, "must not be the root"));
        } else if mount.mount_path.split('/').any(|part| part == "..") {
            found.add(SpecError::invalid(path, &mount.mount_path, "must not contain '..'"));
        }
        let (field, sub_path) = match &mount.sub_path {
            SubPath::None => ("", ""),
            SubPath::Plain(path) => ("subPath", path.as_str()),
            SubPath::Expr(path) => ("subPathExpr", path.as_str()),
        };
        if let Some(why) = sub_path_flaw(sub_path) {
            found.add(SpecError::invalid(format!("{at}.{field}"), sub_path, why));
        }
        let is_private = mount.propagation != Propagation::Bidirectional;
        found.check(is_private || container.security.is_privileged(), || {
            let why = "Bidirectional mount propagation is available only to privileged containers";
            SpecError::forbidden(format!("{at}.mountPropagation"), why)
        });
        if mount.recursive_read_only != RecursiveReadOnly::Disabled {
            let field = || format!("{at}.recursiveReadOnly");
            found.check(mount.read_only, || {
                SpecError::forbidden(field(), "may only be specified when readOnly is true")
            });
            found.check(mount.propagation == Propagation::None, || {
                let why = "may only be specified when mountPropagation is None or not specified";
                SpecError::forbidden(field(), why)
            });
        }
    }
}
