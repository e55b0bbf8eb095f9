use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};

use rustix::mount::mount_bind;
use tempfile::TempDir;

use super::*;
use crate::rootfs::Layers;
use probelet_domain::volume::File;

fn volumes() -> (TempDir, Volumes) {
    let dir = tempfile::tempdir().unwrap();
    let volumes = Volumes::new(&dir.path().join("data"), &dir.path().join("run"), "me".into());
    (dir, volumes)
}

fn remove_all(volumes: &Volumes, uid: &str) -> io::Result<()> {
    volumes.remove_from_run(uid)?;
    volumes.remove_from_data(uid)
}

fn made(name: &str, kind: Kind) -> Made {
    Made { name: name.into(), kind }
}

fn files(content: &[(&str, &str)]) -> Kind {
    let file = |text: &str| File { mode: 0o640, owner: None, bytes: text.into() };
    Kind::Files(
        content
            .iter()
            .map(|(path, text)| (path.to_string(), file(text)))
            .collect::<BTreeMap<_, _>>(),
    )
}

#[test]
fn what_is_there_stays_and_nothing_is_left_in_the_end() {
    let (dir, volumes) = volumes();
    let volume = made("disk", Kind::Folder { mode: 0o2777 });
    let memory = made("memory", Kind::Memory { mode: 0o1777, size: Some(1 << 20) });
    let plan = Plan { volumes: vec![volume.clone(), memory.clone()], group: Some(7) };
    volumes.make("u", &plan).unwrap();
    let (disk, memory) = (volumes.place("u", &volume), volumes.place("u", &memory));
    let found = fs::metadata(&disk).unwrap();
    assert_eq!((found.mode() & 0o7777, found.gid()), (0o2777, 7));
    for place in [&disk, &memory] {
        fs::write(place.join("kept"), "").unwrap();
    }
    volumes.make("u", &plan).unwrap();
    assert!(disk.join("kept").exists() && memory.join("kept").exists());
    assert_eq!(volumes.pods(), ["u"]);
    remove_all(&volumes, "u").unwrap();
    remove_all(&volumes, "u").unwrap();
    assert!(!volumes.have_traces("u"));
    for bad in ["", "..", "../x", ".", "a/b"] {
        assert!(remove_all(&volumes, bad).is_err(), "{bad}");
    }
    assert!(dir.path().join("data/pods").exists());
}

#[test]
fn files_change_at_once_and_old_ones_go() {
    let (_dir, volumes) = volumes();
    let plan = |content| Plan { volumes: vec![made("f", files(content))], group: None };
    let first = plan(&[("a", "1"), ("sub/b", "2")]);
    volumes.make("u", &first).unwrap();
    let place = volumes.place("u", &first.volumes[0]);
    let data = fs::read_link(place.join("..data")).unwrap();
    volumes.renew("u", &first).unwrap();
    assert_eq!(fs::read_link(place.join("..data")).unwrap(), data, "nothing changed");
    let read = |path: &str| fs::read_to_string(place.join(path)).ok();
    assert_eq!((read("a"), read("sub/b")), (Some("1".into()), Some("2".into())));
    assert_eq!(fs::read_link(place.join("sub")).unwrap(), Path::new("..data/sub"));
    let second = plan(&[("a", "3"), ("c", "4")]);
    // A writer that died left this folder.
    let half = place.join("..half");
    fs::create_dir_all(half.join("deep")).unwrap();
    volumes.renew("u", &second).unwrap();
    assert_eq!((read("a"), read("c"), read("sub/b")), (Some("3".into()), Some("4".into()), None));
    assert!(!half.exists() && !place.join(data).exists());
    assert!(fs::symlink_metadata(place.join("sub")).is_err());
    remove_all(&volumes, "u").unwrap();
}

#[test]
fn a_tree_goes_however_deep_and_through_no_link_or_mount() {
    let (dir, _) = volumes();
    let precious = dir.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "").unwrap();
    let tree = dir.path().join("tree");
    let mut deep = open(dir.path(), OFlags::PATH, Mode::empty()).unwrap();
    for name in std::iter::once("tree").chain(std::iter::repeat_n("d", 3000)) {
        rustix::fs::mkdirat(&deep, name, Mode::RWXU).unwrap();
        deep = rustix::fs::openat(&deep, name, OFlags::PATH, Mode::empty()).unwrap();
    }
    symlink(&precious, tree.join("link")).unwrap();
    fs::create_dir_all(tree.join(".removed-1/x")).unwrap();
    remove::tree(&tree).unwrap();
    assert!(!tree.exists());

    let inside = tree.join("a/b");
    fs::create_dir_all(&inside).unwrap();
    mount_bind(&precious, &inside).unwrap();
    assert!(remove::tree(&tree).is_err());
    assert!(precious.join("file").exists());
    mounts::unmount_below(&tree).unwrap();
    remove::tree(&tree).unwrap();
    assert!(precious.join("file").exists());
    symlink(&precious, &tree).unwrap();
    remove::tree(&tree).unwrap();
    assert!(!tree.exists() && precious.join("file").exists());
}

#[test]
fn a_sub_path_is_bound_anew_and_never_leads_out() {
    let (dir, volumes) = volumes();
    let root = dir.path().join("volume");
    fs::create_dir_all(root.join("in")).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o2750)).unwrap();
    symlink("/etc", root.join("out")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let place = volumes.sub_path_place("u", "app", 0);
    let bind =
        |path, make| volumes.bind_sub_path("u", &place, &SubPathOf { root: &root, path, make });
    bind("a/b", true).unwrap();
    assert_eq!(fs::metadata(&place).unwrap().ino(), fs::metadata(root.join("a/b")).unwrap().ino());
    assert_eq!(fs::metadata(root.join("a")).unwrap().mode() & 0o7777, 0o2750);
    fs::write(root.join("file"), "text").unwrap();
    bind("file", true).unwrap();
    assert_eq!(fs::read_to_string(&place).unwrap(), "text");
    for path in ["out", "out/x", "dangling", "dangling/x", "file/x"] {
        assert!(bind(path, true).is_err(), "{path}");
    }
    assert!(bind("missing", false).is_err() && !root.join("missing").exists());
    remove_all(&volumes, "u").unwrap();
    assert!(root.join("a/b").exists() && root.join("file").exists());
}

#[test]
fn a_view_of_an_image_is_mounted_once_and_nothing_in_it_is_written_or_run() {
    let (dir, volumes) = volumes();
    let layer = |name: &str| {
        let layer = dir.path().join("layers").join(name).join("fs");
        fs::create_dir_all(&layer).unwrap();
        fs::write(layer.join(name), name).unwrap();
        fs::set_permissions(layer.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        layer.display().to_string()
    };
    let (one, two) = (layer("one"), layer("two"));
    let bound = Layers { kind: "bind".into(), source: one.clone(), options: vec!["ro".into()] };
    let lower = format!("lowerdir={two}:{one}");
    let stacked = Layers { kind: "overlay".into(), source: "overlay".into(), options: vec![lower] };
    let view = |layers: &[&Layers], is_new| View {
        volume: "model".into(),
        layers: layers.iter().copied().cloned().collect(),
        is_new,
    };
    let place = volumes.place("u", &made("model", Kind::Image));
    let mounts = || {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let at = format!(" {} ", place.display());
        mounts.lines().filter(|line| line.contains(&at)).map(str::to_owned).collect::<Vec<_>>()
    };
    // A daemon died after the bind, before the bind was made read only.
    fs::create_dir_all(&place).unwrap();
    mount_bind(&one, &place).unwrap();
    for (layers, is_new, files) in [
        (&bound, false, vec!["one"]),
        (&stacked, true, vec!["one", "two"]),
        (&stacked, false, vec!["one", "two"]),
        (&bound, true, vec!["one"]),
    ] {
        volumes.mount("u", &view(&[layers], is_new)).unwrap();
        let mounted = mounts();
        assert_eq!(mounted.len(), 1, "{mounted:#?}");
        assert!(mounted[0].contains(" ro,nosuid,nodev,noexec,"), "{mounted:#?}");
        for name in ["one", "two"] {
            assert_eq!(place.join(name).exists(), files.contains(&name), "{name}");
        }
        assert!(fs::write(place.join("one"), "").is_err());
        let run = std::process::Command::new(place.join("one")).status();
        assert_eq!(run.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
    let error = volumes.mount("u", &view(&[&bound, &bound], false)).unwrap_err();
    assert!(error.ends_with("volume \"model\" : its snapshot is 2 mounts, not one"), "{error}");
    remove_all(&volumes, "u").unwrap();
    assert!(mounts().is_empty() && Path::new(&one).join("one").exists());
}

#[test]
fn what_a_volume_holds_is_counted_once_and_through_no_link_or_mount() {
    let (dir, volumes) = volumes();
    let volume = made("disk", Kind::Folder { mode: 0o777 });
    assert_eq!(volumes.used("u", "disk").unwrap(), 0);
    let plan = Plan { volumes: vec![volume.clone()], group: None };
    volumes.make("u", &plan).unwrap();
    let (place, outside) = (volumes.place("u", &volume), dir.path().join("outside"));
    let empty = volumes.used("u", "disk").unwrap();
    let large = vec![1; 1 << 20];
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("large"), &large).unwrap();
    symlink(&outside, place.join("link")).unwrap();
    fs::create_dir(place.join("mounted")).unwrap();
    mount_bind(&outside, place.join("mounted")).unwrap();
    let deep = place.join("a/b/c");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("large"), &large).unwrap();
    fs::hard_link(deep.join("large"), place.join("again")).unwrap();
    fs::write(place.join("a/large"), &large).unwrap();
    let used = volumes.used("u", "disk").unwrap() - empty;
    assert!((2 << 20..(2 << 20) + (100 << 10)).contains(&used), "{used}");
    remove_all(&volumes, "u").unwrap();
    assert!(outside.join("large").exists());
}

#[test]
fn a_file_has_its_owner_and_another_owner_changes_it() {
    let (_dir, volumes) = volumes();
    let owned = |owner| {
        let file = File { mode: 0o640, owner, bytes: b"x".to_vec() };
        made("token", Kind::Files(BTreeMap::from([("a".to_owned(), file)])))
    };
    for (owner, uid) in [(Some(101), 101), (Some(102), 102), (None, 0)] {
        let plan = Plan { volumes: vec![owned(owner)], group: Some(7) };
        volumes.make("u", &plan).unwrap();
        let found = fs::metadata(volumes.place("u", &owned(owner)).join("a")).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (uid, 7, 0o640));
    }
    remove_all(&volumes, "u").unwrap();
}
