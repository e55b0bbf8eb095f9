//! The manifest directory over a temporary folder.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

const BOUND: Duration = Duration::from_secs(20);

async fn texts(dir: &mut HostDir) -> Vec<(String, Text)> {
    let mut files = dir.scan().await.unwrap().files;
    files.sort_by(|a, b| a.file.cmp(&b.file));
    let name = |file: &str| file.rsplit('/').next().unwrap().to_owned();
    files.into_iter().map(|seen| (name(&seen.file), seen.text)).collect()
}

#[tokio::test]
async fn only_manifests_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["a.yaml", ".a.yaml.swp", "a.yaml~", "notes"] {
        fs::write(at(name), "kind: Pod").unwrap();
    }
    fs::create_dir(at("b.yaml")).unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/target"), "linked").unwrap();
    symlink("elsewhere/target", at("c.yml")).unwrap();
    let mut dir = HostDir::new(folder.path().to_owned());
    let all =
        [("a.yaml".to_owned(), Ok("kind: Pod".into())), ("c.yml".to_owned(), Ok("linked".into()))];
    assert_eq!(texts(&mut dir).await, all);
}

#[tokio::test]
async fn an_unreadable_file_has_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("large.yaml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    fs::write(at("latin.yaml"), b"caf\xe9").unwrap();
    symlink("nowhere", at("lost.yaml")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe.yaml"), Mode::RWXU).unwrap();
    let mut dir = HostDir::new(folder.path().to_owned());
    let why: Vec<_> =
        texts(&mut dir).await.into_iter().map(|(_, text)| text.unwrap_err()).collect();
    assert_eq!(why[..2], ["is larger than 1 MiB", "is not UTF-8"]);
    assert!(why[2].starts_with("No such file"), "{why:?}");
    assert_eq!(why[3], "is no regular file");
}

#[tokio::test]
async fn a_missing_directory_is_an_error_and_not_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut dir = HostDir::new(folder.path().join("none"));
    let error = dir.scan().await.unwrap_err().to_string();
    assert!(error.contains("/none: No such file"), "{error}");
    fs::create_dir(folder.path().join("none")).unwrap();
    assert!(dir.scan().await.unwrap().files.is_empty());
}

#[tokio::test]
async fn each_change_after_a_scan_ends_the_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    fs::create_dir(&path).unwrap();
    let file = path.join("a.yaml");
    let mut dir = HostDir::new(path.clone());
    let changes: [&dyn Fn(); 4] = [
        &|| fs::write(&file, "a").unwrap(),
        &|| fs::rename(&file, path.join("b.yaml")).unwrap(),
        &|| fs::remove_file(path.join("b.yaml")).unwrap(),
        &|| fs::rename(&path, folder.path().join("moved")).unwrap(),
    ];
    for change in changes {
        dir.scan().await.unwrap();
        change();
        tokio::time::timeout(BOUND, dir.changed()).await.unwrap();
    }
}
