use super::*;
use crate::spec::{Content, DownwardItem, Item, ObjectKind, Volume, sample};

fn pod(sources: Vec<VolumeSource>) -> PodSpec {
    let volumes = sources.into_iter().enumerate();
    let volumes = volumes.map(|(index, source)| Volume { name: format!("v{index}"), source });
    PodSpec { volumes: volumes.collect(), ..sample::pod() }
}

fn mount(name: &str, sub_path: SubPath) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: "data//x/./y/".into(),
        sub_path,
        read_only: false,
        recursive_read_only: RecursiveReadOnly::Disabled,
        propagation: Propagation::None,
    }
}

fn files() -> VolumeSource {
    let data = BTreeMap::from([("a".into(), Content(b"1".to_vec()))]);
    let items = vec![
        Item { key: "a".into(), path: "sub/a".into(), mode: Some(0o400) },
        Item { key: "none".into(), path: "b".into(), mode: None },
    ];
    let name = "config".into();
    let object = Part::Object { kind: ObjectKind::Secret, name, optional: true, items, data };
    let field = DownwardField::Labels;
    let labels = DownwardItem { path: "labels".into(), mode: None, field };
    let parts = vec![object, Part::DownwardApi(vec![labels])];
    VolumeSource::Files(Files { projected: true, default_mode: 0o600, parts })
}

#[test]
fn files_have_their_paths_modes_and_group() {
    let mut pod = pod(vec![files()]);
    pod.labels.insert("b".into(), "say \"x\"\n".into());
    let modes = |pod: &PodSpec| match plan(pod, &NodeAddresses::default()).volumes.remove(0).kind {
        Kind::Files(files) => files
            .into_iter()
            .map(|(path, file)| (path, file.mode, String::from_utf8(file.bytes).unwrap()))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let labels = "app=\"web\"\nb=\"say \\\"x\\\"\\n\"";
    let expected = [("labels", 0o600, labels), ("sub/a", 0o400, "1")];
    let expected = expected.map(|(path, mode, text)| (path.to_owned(), mode, text.to_owned()));
    assert_eq!(modes(&pod), expected);
    pod.security.fs_group = Some(7);
    assert_eq!(modes(&pod).iter().map(|(_, mode, _)| *mode).collect::<Vec<_>>(), [0o640, 0o440]);
}

#[test]
fn a_token_is_for_everyone_until_it_has_an_owner_or_a_group() {
    let issued = crate::spec::IssuedToken {
        content: Content(b"t".to_vec()),
        account_uid: "u".into(),
        from: std::time::SystemTime::UNIX_EPOCH,
        expires: std::time::SystemTime::UNIX_EPOCH,
    };
    let token = |issued| {
        let token = crate::spec::AccountToken {
            path: "token".into(),
            audience: None,
            expiration_seconds: 600,
            issued,
        };
        let parts = vec![Part::ServiceAccountToken(token)];
        VolumeSource::Files(Files { projected: true, default_mode: 0o644, parts })
    };
    let file = |user: Option<i64>, group: Option<i64>| {
        let mut pod = pod(vec![token(Some(issued.clone()))]);
        pod.security.identity.user = user;
        pod.security.fs_group = group;
        match plan(&pod, &NodeAddresses::default()).volumes.remove(0).kind {
            Kind::Files(mut files) => files.remove("token").map(|file| (file.mode, file.owner)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(file(None, None), Some((0o644, None)));
    assert_eq!(file(Some(5), None), Some((0o600, Some(5))));
    assert_eq!(file(None, Some(7)), Some((0o640, None)));
    assert_eq!(file(Some(5), Some(7)), Some((0o640, Some(5))));
    // A token that is not issued yet is no file.
    let pod = pod(vec![token(None)]);
    assert_eq!(
        plan(&pod, &NodeAddresses::default()).volumes.remove(0).kind,
        Kind::Files(BTreeMap::new())
    );
}

#[test]
fn memory_is_limited_by_its_own_limit_and_the_pods() {
    let empty = |size_limit| VolumeSource::EmptyDir { medium: Medium::Memory, size_limit };
    let mut pod = pod(vec![empty(None), empty(Some(10))]);
    let sizes = |pod: &PodSpec| {
        plan(pod, &NodeAddresses::default())
            .volumes
            .into_iter()
            .map(|made| match made.kind {
                Kind::Memory { size, .. } => size,
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(sizes(&pod), [None, Some(10)]);
    pod.containers[0].resources.limits.memory = Some(7);
    assert_eq!(sizes(&pod), [Some(7), Some(7)]);
    pod.containers.push(sample::pod().containers.remove(0));
    assert_eq!(sizes(&pod), [None, Some(10)]);
}

#[test]
fn a_mount_is_absolute_and_one_of_files_is_read_only() {
    let mut pod =
        pod(vec![VolumeSource::HostPath { path: "/".into(), kind: HostPathType::Unset }, files()]);
    pod.containers[0].volume_mounts =
        vec![mount("v0", SubPath::Plain("a".into())), mount("v1", SubPath::None)];
    let all = mounts(&pod, &pod.containers[0], |_| unreachable!()).unwrap();
    assert_eq!(all[0].destination, "/data/x/y");
    assert_eq!(all.iter().map(|it| it.read_only).collect::<Vec<_>>(), [false, true]);
    assert_eq!(all[0].sub_path.as_deref(), Some("a"));
}

#[test]
fn an_expanded_sub_path_must_stay_inside_the_volume() {
    let mut pod = pod(vec![files()]);
    pod.containers[0].volume_mounts = vec![mount("v0", SubPath::Expr("$(X)".into()))];
    let tried = |value: Result<String, String>| {
        mounts(&pod, &pod.containers[0], |_| value.clone()).map(|all| all[0].sub_path.clone())
    };
    let why = "failed to expand subPathExpr for volumeMount \"v0\" of container \"app\": ";
    assert_eq!(tried(Ok("a/b".into())), Ok(Some("a/b".into())));
    assert_eq!(tried(Ok("/a".into())), Err(format!("{why}\"/a\" must be a relative path")));
    assert_eq!(tried(Ok("a/../..".into())), Err(format!("{why}\"a/../..\" must not contain '..'")));
    assert_eq!(tried(Err("no X".into())), Err(format!("{why}no X")));
}

#[test]
fn mount_points_are_made_in_the_innermost_mount_around_them() {
    // A ConfigMap, a Secret below it, a folder below that; and a disk with a file below it.
    let destinations = ["/a", "/a/b/c", "/a/b/c/d", "/disk", "/disk/hosts", "/ab"];
    let found = mount_points(&destinations, |outer| outer < 2);
    let point = |outer, inner, path: &str| MountPoint { outer, inner, path: path.into() };
    assert_eq!(found, [point(0, 1, "b/c"), point(1, 2, "d")]);
    assert_eq!(mount_points(&["/", "/x"], |_| true), [point(0, 1, "x")]);
}

#[test]
fn an_images_volumes_are_those_that_nothing_is_mounted_on() {
    let all = |declared: &[&str], mounted: &[&str]| {
        let declared: Vec<_> = declared.iter().map(|path| (*path).to_owned()).collect();
        image_volumes(&declared, mounted)
    };
    let found = all(&["/data/", "data", "/x/../../y", "/mine"], &["/mine", "/data/sub"]);
    assert_eq!(found.unwrap(), ["/data", "/y"]);
    assert!(all(&["/"], &[]).unwrap_err().contains("whole root"));
    let many: Vec<_> = (0..129).map(|n| n.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert!(all(&many, &[]).unwrap_err().contains("129 volumes"));
}
