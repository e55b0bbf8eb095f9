//! References of a pod to ConfigMaps and Secrets that the Kubernetes API stores.

use super::{ContainerSpec, EnvVar, PodSpec, Volume};

/// What is missing of the ConfigMaps and Secrets that a pod refers to. A pod of the Kubernetes API
/// has it, also if nothing is missing: its values follow the stored objects. A pod that was applied
/// with copies of its objects has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredReferences {
    /// References to objects or keys that do not exist.
    pub missing: Vec<MissingReference>,
}

/// A reference to an object or key that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingReference {
    /// The part of the pod that has the reference.
    pub user: ReferenceUser,
    /// Text of the kubelet, without a value.
    pub message: String,
}

/// A part of a pod that refers to objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceUser {
    /// The environment of the container of this name, which cannot start.
    Container(String),
    /// The volume of this name. No container of the pod can start.
    Volume(String),
}

impl PodSpec {
    /// Returns why a container cannot start, if an object that it needs does not exist.
    pub fn missing_reference(&self, container: &str) -> Option<String> {
        let missing = &self.stored.as_ref()?.missing;
        missing.iter().find_map(|reference| match &reference.user {
            ReferenceUser::Container(name) => {
                (name == container).then(|| reference.message.clone())
            }
            ReferenceUser::Volume(name) => Some(format!(
                "MountVolume.SetUp failed for volume {name:?} : {}",
                reference.message
            )),
        })
    }

    /// Gives volumes whose objects do not exist any more the files that they have in the live pod,
    /// as the kubelet leaves them.
    pub(super) fn keep_files(&mut self, live: &Self) {
        let Some(stored) = &mut self.stored else { return };
        let lacks = |pod: &Self, volume: &str| {
            let missing = pod.stored.iter().flat_map(|stored| &stored.missing);
            { missing }.any(|it| matches!(&it.user, ReferenceUser::Volume(name) if name == volume))
        };
        for volume in &mut self.volumes {
            let of_volume = |it: &MissingReference| matches!(&it.user, ReferenceUser::Volume(name) if *name == volume.name);
            let same = |before: &&Volume| before.differs_in_content_only(volume);
            let before = live.volumes.iter().find(same).filter(|it| !lacks(live, &it.name));
            if let Some(before) = before
                && stored.missing.iter().any(of_volume)
            {
                stored.missing.retain(|it| !of_volume(it));
                *volume = before.clone();
            }
        }
    }
}

impl ContainerSpec {
    /// The variables that need a new instance to change. A variable whose value follows a stored
    /// object changes with the next start, as in Kubernetes.
    pub(super) fn fixed_env(&self) -> impl Iterator<Item = &EnvVar> {
        self.env.iter().filter(|var| !var.is_stored)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::spec::{
        Change, Content, EnvSource, Files, ObjectKind, Part, Volume, VolumeSource, sample,
    };

    fn with_value(value: Option<&str>) -> PodSpec {
        let mut pod = sample::pod();
        pod.stored = Some(StoredReferences::default());
        let from = EnvSource::ConfigMap { name: "web".into(), key: "a".into() };
        let name = pod.containers[0].name.clone();
        match value {
            Some(value) => pod.containers[0].env.push(EnvVar {
                from: Some(from),
                is_stored: true,
                ..EnvVar::new("A", value)
            }),
            None => pod.stored = Some(missing(ReferenceUser::Container(name))),
        }
        pod
    }

    fn missing(user: ReferenceUser) -> StoredReferences {
        let message = "configmap \"web\" not found".to_owned();
        StoredReferences { missing: vec![MissingReference { user, message }] }
    }

    fn with_file(text: Option<&str>) -> PodSpec {
        let mut pod = sample::pod();
        let content = |text: &str| Content(text.as_bytes().to_vec());
        let data = text.map(|text| ("a".to_owned(), content(text))).into_iter();
        let part = Part::Object {
            kind: ObjectKind::ConfigMap,
            name: "web".into(),
            optional: false,
            items: Vec::new(),
            data: data.collect::<BTreeMap<_, _>>(),
        };
        let files = Files { projected: false, default_mode: 0o644, parts: vec![part] };
        pod.volumes = vec![Volume { name: "v".into(), source: VolumeSource::Files(files) }];
        pod.stored = Some(match text {
            Some(_) => StoredReferences::default(),
            None => missing(ReferenceUser::Volume("v".into())),
        });
        pod
    }

    #[test]
    fn a_changed_value_needs_no_new_instance() {
        let (old, new) = (with_value(Some("1")), with_value(Some("2")));
        assert_eq!(old.change_to(&new), Change::Live);
        assert!(!old.containers[0].needs_new_instance(&new.containers[0]));
        assert_eq!(old.change_to(&with_value(None)), Change::Live);
        let mut literal = with_value(Some("1"));
        literal.containers[0].env.push(EnvVar::new("B", "x"));
        assert!(matches!(old.change_to(&literal), Change::Fixed(_)));
    }

    #[test]
    fn a_container_waits_for_what_it_needs() {
        let pod = with_value(None);
        let name = pod.containers[0].name.clone();
        let why = pod.missing_reference(&name);
        assert_eq!(why.as_deref(), Some("configmap \"web\" not found"));
        assert_eq!(pod.missing_reference("other"), None);
        assert_eq!(
            with_file(None).missing_reference("other").as_deref(),
            Some("MountVolume.SetUp failed for volume \"v\" : configmap \"web\" not found")
        );
        assert_eq!(sample::pod().missing_reference(&name), None);
    }

    #[test]
    fn files_of_a_deleted_object_stay_and_the_next_ones_replace_them() {
        let live = with_file(Some("1"));
        let kept = with_file(None).in_place_of(&live);
        assert_eq!((&kept.volumes, kept.missing_reference("c")), (&live.volumes, None));
        assert_eq!(with_file(Some("2")).in_place_of(&kept).volumes, with_file(Some("2")).volumes);
        // A pod that has never had them waits.
        let waiting = with_file(None).in_place_of(&with_file(None));
        assert!(waiting.missing_reference("c").is_some());
    }
}
