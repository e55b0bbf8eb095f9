//! User and groups of a container's process, from its spec, its image and the image's `/etc/passwd`
//! and `/etc/group`.

use super::spec::{ContainerSpec, EffectiveSecurity, GroupsPolicy, PodSpec};

/// Users that an image defines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageUsers {
    /// `USER`: empty, or a user and perhaps a group, by name or number.
    pub user: String,
    /// Text of the image's `/etc/passwd`; empty if the image has none.
    pub passwd: String,
    /// Text of the image's `/etc/group`; empty if the image has none.
    pub group: String,
}

/// The user and groups of a process, as in its runtime spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User ID.
    pub uid: u32,
    /// ID of the primary group.
    pub gid: u32,
    /// Groups of the process, `gid` first.
    pub groups: Vec<u32>,
}

/// Returns the user of a container's process. An error is about the image.
pub fn user(pod: &PodSpec, container: &ContainerSpec, image: &ImageUsers) -> Result<User, String> {
    let identity = EffectiveSecurity::of(pod, container).identity();
    let (name, group) = image.user.split_once(':').unwrap_or((&image.user, ""));
    let (uid, image_gid) = match identity.user {
        // The image's group is used only with the image's user.
        Some(uid) => (id(uid), None),
        None => {
            let uid = image.uid(name)?;
            let gid = if group.is_empty() { None } else { Some(image.gid(group)?) };
            (uid, gid)
        }
    };
    let entry = image.entry(uid);
    let gid = identity.group.map(id).or(image_gid);
    let gid = gid.or(entry.as_ref().map(|entry| entry.gid)).unwrap_or(0);
    let mut groups = vec![gid];
    let policy = pod.security.supplemental_groups_policy.unwrap_or(GroupsPolicy::Merge);
    let member = entry.filter(|_| policy == GroupsPolicy::Merge);
    groups.extend(member.into_iter().flat_map(|entry| image.groups_of(&entry.name)));
    let wanted = pod.security.supplemental_groups.iter().chain(&pod.security.fs_group);
    groups.extend(wanted.map(|group| id(*group)));
    let mut seen = std::collections::BTreeSet::new();
    groups.retain(|group| seen.insert(*group));
    Ok(User { uid, gid, groups })
}

/// Returns the kubelet's error for a container that must not run as root and would, or could.
pub fn check_non_root(
    pod: &PodSpec,
    container: &ContainerSpec,
    image: &ImageUsers,
) -> Result<(), String> {
    let identity = EffectiveSecurity::of(pod, container).identity();
    if identity.non_root != Some(true) {
        return Ok(());
    }
    let subject = format!("{}_{}({})", pod.name, pod.namespace, pod.uid);
    let subject = format!("(pod: {subject:?}, container: {})", container.name);
    if let Some(uid) = identity.user {
        return match uid {
            0 => Err(format!("container's runAsUser breaks non-root policy {subject}")),
            _ => Ok(()),
        };
    }
    let name = image.user.split(':').next().unwrap_or_default();
    match name.parse::<u32>() {
        _ if name.is_empty() => {
            Err(format!("container has runAsNonRoot and image will run as root {subject}"))
        }
        Ok(0) => Err(format!("container has runAsNonRoot and image will run as root {subject}")),
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify \
             user is non-root {subject}"
        )),
    }
}

/// Validation has checked the range.
fn id(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

struct Entry {
    name: String,
    gid: u32,
}

impl ImageUsers {
    fn uid(&self, name: &str) -> Result<u32, String> {
        if name.is_empty() {
            return Ok(0);
        }
        let line = lines(&self.passwd).find(|fields| fields.first() == Some(&name));
        let named = line.and_then(|fields| fields.get(2)?.parse().ok());
        // `root` is known without the file, too.
        let known = named.or_else(|| name.parse().ok()).or((name == "root").then_some(0));
        known.ok_or_else(|| {
            format!("unable to find user {name}: no matching entries in passwd file of the image")
        })
    }

    fn gid(&self, name: &str) -> Result<u32, String> {
        let line = lines(&self.group).find(|fields| fields.first() == Some(&name));
        let named = line.and_then(|fields| fields.get(2)?.parse().ok());
        let known = named.or_else(|| name.parse().ok()).or((name == "root").then_some(0));
        known.ok_or_else(|| {
            format!("unable to find group {name}: no matching entries in group file of the image")
        })
    }

    fn entry(&self, uid: u32) -> Option<Entry> {
        lines(&self.passwd).find_map(|fields| match fields.as_slice() {
            [name, _, found, gid, ..] if found.parse() == Ok(uid) => {
                Some(Entry { name: (*name).to_owned(), gid: gid.parse().ok()? })
            }
            _ => None,
        })
    }

    fn groups_of(&self, user: &str) -> Vec<u32> {
        let of = lines(&self.group).filter_map(|fields| match fields.as_slice() {
            [_, _, gid, members, ..] if members.split(',').any(|one| one == user) => {
                gid.parse().ok()
            }
            _ => None,
        });
        of.collect()
    }
}

fn lines(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines().map(|line| line.trim().split(':').collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::sample;

    fn image(user: &str) -> ImageUsers {
        ImageUsers {
            user: user.into(),
            passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\nbroken\n".into(),
            group: "root:x:0:\nwheel:x:10:root,web\nweb:x:102:\nstaff:x:50:\nlog:x:4:web\n".into(),
        }
    }

    fn of(who: &str, edit: impl FnOnce(&mut PodSpec)) -> Result<(u32, u32, Vec<u32>), String> {
        let mut pod = sample::pod();
        edit(&mut pod);
        user(&pod, &pod.containers[0], &image(who)).map(|u| (u.uid, u.gid, u.groups))
    }

    #[test]
    fn an_images_user_is_looked_up_in_its_own_files() {
        let plain = |user: &str| of(user, |_| {});
        assert_eq!(plain(""), Ok((0, 0, vec![0, 10])));
        assert_eq!(plain("root"), Ok((0, 0, vec![0, 10])));
        assert_eq!(plain("web"), Ok((101, 102, vec![102, 10, 4])));
        assert_eq!(plain("101"), Ok((101, 102, vec![102, 10, 4])));
        assert_eq!(plain("web:staff"), Ok((101, 50, vec![50, 10, 4])));
        assert_eq!(plain("1000:2000"), Ok((1000, 2000, vec![2000])));
        assert_eq!(plain("1000"), Ok((1000, 0, vec![0])));
        assert!(plain("nginx").unwrap_err().starts_with("unable to find user nginx: "));
        assert!(plain("web:nobody").unwrap_err().starts_with("unable to find group nobody: "));
        let empty = ImageUsers { user: "root".into(), ..ImageUsers::default() };
        let pod = sample::pod();
        assert_eq!(user(&pod, &pod.containers[0], &empty).map(|user| user.uid), Ok(0));
    }

    #[test]
    fn the_specs_numbers_beat_the_images_and_the_containers_the_pods() {
        let pods = |pod: &mut PodSpec| {
            pod.security.identity.user = Some(7);
            pod.security.identity.group = Some(8);
            pod.security.supplemental_groups = vec![20, 8];
            pod.security.fs_group = Some(30);
        };
        assert_eq!(of("web:staff", pods), Ok((7, 8, vec![8, 20, 30])));
        let containers = |pod: &mut PodSpec| {
            pods(pod);
            pod.containers[0].security.identity.user = Some(101);
        };
        assert_eq!(of("", containers), Ok((101, 8, vec![8, 10, 4, 20, 30])));
        let user_only = |pod: &mut PodSpec| pod.security.identity.user = Some(101);
        assert_eq!(of("0:50", user_only), Ok((101, 102, vec![102, 10, 4])));
        let group_only = |pod: &mut PodSpec| pod.security.identity.group = Some(9);
        assert_eq!(of("web", group_only), Ok((101, 9, vec![9, 10, 4])));
        let strict = |pod: &mut PodSpec| {
            pod.security.supplemental_groups_policy = Some(GroupsPolicy::Strict);
            pod.security.supplemental_groups = vec![20];
        };
        assert_eq!(of("web", strict), Ok((101, 102, vec![102, 20])));
    }

    #[test]
    fn non_root_is_checked_with_the_kubelets_texts() {
        let said = |user: &str, own: Option<i64>| {
            let mut pod = sample::pod();
            pod.security.identity.non_root = Some(true);
            pod.containers[0].security.identity.user = own;
            check_non_root(&pod, &pod.containers[0], &image(user)).err().unwrap_or_default()
        };
        let subject = "(pod: \"web_default(0a1b)\", container: app)";
        let root = format!("container has runAsNonRoot and image will run as root {subject}");
        assert_eq!(said("", None), root);
        assert_eq!(said("0:50", None), root);
        assert_eq!(said("101", None), "");
        assert_eq!(
            said("web", None),
            format!(
                "container has runAsNonRoot and image has non-numeric user (web), cannot verify \
                 user is non-root {subject}"
            )
        );
        assert_eq!(said("web", Some(5)), "");
        let breaks = format!("container's runAsUser breaks non-root policy {subject}");
        assert_eq!(said("101", Some(0)), breaks);
    }
}
