//! Containerd ids of a container's attempts. In containerd ids have at most 76 bytes and no two
//! separators in a row; Kubernetes' names may be longer, and have both.

use sha2::{Digest as _, Sha256};

use super::pod_key::PodKey;

/// Maximum length of a stem, which leaves room for `_` and the attempt's number.
const LONGEST: usize = 63;
/// Hexadecimal digits that keep two shortened names apart.
const DIGITS: usize = 10;
/// Length of both names in a shortened stem.
const ROOM: usize = LONGEST - DIGITS - 2;
const SEPARATORS: [char; 3] = ['-', '.', '_'];

/// Returns the stem of the ids: `POD_CONTAINER`, or `NAME` for a bare container, whose pod has the
/// same name. A stem that containerd would refuse is shortened to `POD_CONTAINER_HASH`; no other
/// container can have it, because it has an underscore more. Names are never parsed: labels say
/// which container an id belongs to.
pub fn stem(pod: &str, container: &str) -> String {
    let natural = if pod == container { pod.to_owned() } else { format!("{pod}_{container}") };
    if natural.len() <= LONGEST && is_fit(&natural) {
        return natural;
    }
    // Neither name has a slash.
    hashed(pod, container, &format!("{pod}/{container}"))
}

/// Returns the stem of the ids of a pod in another namespace than `default`:
/// `POD_CONTAINER_HASH`, also for a bare container. The hash is that of namespace, pod and
/// container, so the id is none that [`stem`] makes: that one has no hash, or another one.
pub fn stem_in_namespace(pod: &PodKey, container: &str) -> String {
    hashed(pod.name(), container, &format!("{}/{}/{container}", pod.namespace(), pod.name()))
}

/// Returns `POD_CONTAINER_HASH` with the hash of `whole`; long names are cut.
fn hashed(pod: &str, container: &str, whole: &str) -> String {
    let least = ROOM / 2;
    let container_part = part(container, ROOM.saturating_sub(pod.len()).max(least));
    let pod_part = part(pod, ROOM - container_part.len());
    let hash = Sha256::digest(whole);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).take(DIGITS / 2).collect();
    format!("{pod_part}_{container_part}_{hash}")
}

fn is_fit(text: &str) -> bool {
    text.split(SEPARATORS).all(|part| !part.is_empty())
}

/// Returns as much of a name as fits, with one separator where there are several.
fn part(name: &str, room: usize) -> String {
    let mut cut = String::new();
    for char in name.chars() {
        let is_separator = SEPARATORS.contains(&char);
        if !(is_separator && (cut.is_empty() || cut.ends_with(SEPARATORS))) {
            cut.push(char);
        }
    }
    let cut: String = cut.chars().take(room).collect();
    cut.trim_end_matches(SEPARATORS).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_that_containerd_accepts_is_not_changed() {
        for (pod, container, name) in [
            ("web", "app", "web_app"),
            ("web", "web", "web"),
            ("web.example.org", "app", "web.example.org_app"),
        ] {
            assert_eq!(stem(pod, container), name);
        }
    }

    #[test]
    fn other_names_are_shortened_and_unique() {
        let (long, label) = ("a.b-".repeat(63) + "x", "c".repeat(63));
        let pods = ["web", "web--2", "web-2", "x--", &long, &label, &format!("{label}d")];
        let containers = ["app", "a--b", "a-b", &label, &label.replace("cc", "cd")];
        let mut seen = BTreeSet::new();
        for (pod, container) in pods.iter().flat_map(|pod| containers.map(|own| (*pod, own))) {
            let name = stem(pod, container);
            assert!(name.len() <= LONGEST && is_fit(&name), "{name}");
            assert!(seen.insert(name.clone()), "{name} twice");
        }
        for namespace in ["a", "b", &label] {
            for (pod, container) in pods.iter().flat_map(|pod| containers.map(|own| (*pod, own))) {
                let name = stem_in_namespace(&PodKey::new(namespace, pod), container);
                assert!(name.len() <= LONGEST && is_fit(&name), "{name}");
                assert!(seen.insert(name.clone()), "{name} twice");
            }
        }
        assert_eq!(stem("web--2", "app"), "web-2_app_9ec38ce472");
        let name = stem_in_namespace(&PodKey::new("shop", "web"), "app");
        assert!(name.starts_with("web_app_") && name.len() == "web_app_".len() + DIGITS, "{name}");
        let name = stem(&long, &label);
        assert!(name.starts_with("a.b-a.b-") && name.contains("_cccc"), "{name}");
    }
}
