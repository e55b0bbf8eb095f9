use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use probelet_domain::spec::sample;

const NETNS: &str = "/run/netns/x";

fn never() -> CancellationToken {
    CancellationToken::new()
}

/// Plugins that are shell scripts, and the requests that they received.
struct Room {
    dir: TempDir,
    cni: Cni,
}

impl Room {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["net.d", "bin"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let bins = vec![dir.path().join("nothing"), dir.path().join("bin")];
        let mut cni = Cni::new(dir.path().join("net.d"), bins, dir.path(), "us".into());
        cni.patience = Duration::from_secs(20);
        Self { dir, cni }
    }

    /// Installs a plugin that records its command, input and environment, then runs `script`.
    fn plugin(&self, name: &str, script: &str) {
        let file = self.dir.path().join("bin").join(name);
        let log = self.dir.path().join("log").display().to_string();
        let text = format!(
            "#!/bin/sh\necho \"$CNI_COMMAND {name} $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME\" >>{log}\n\
             cat >{log}.{name}.$CNI_COMMAND\n{script}\n"
        );
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn configure(&self, file: &str, plugins: &[&str]) {
        let plugins: Vec<_> = plugins.iter().map(|name| json!({ "type": name })).collect();
        let conf = json!({ "cniVersion": "1.0.0", "name": "pods", "plugins": plugins });
        std::fs::write(self.dir.path().join("net.d").join(file), conf.to_string()).unwrap();
    }

    async fn attachment(&self) -> Attachment {
        Attachment::new(&sample::pod(), self.cni.network().await.unwrap().unwrap())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn told(&self, name: &str, command: &str) -> Value {
        let file = self.dir.path().join(format!("log.{name}.{command}"));
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn plugins_go_on_one_anothers_results_and_off_in_reverse() {
    let room = Room::new();
    room.configure("10-pods.conflist", &["first", "second"]);
    room.plugin("first", r#"echo '{"ips": [{"address": "10.1.0.5/24"}]}'"#);
    room.plugin("second", r#"echo '{"ips": [{"address": "10.1.0.5/24"}], "own": 1}'"#);
    let mut pod = room.attachment().await;
    room.cni.attach(&mut pod, Path::new(NETNS), &never()).await.unwrap();
    assert_eq!(pod.ips(), ["10.1.0.5"]);
    assert_eq!(room.told("second", "ADD")["prevResult"]["ips"][0]["address"], "10.1.0.5/24");
    assert_eq!(room.cni.attachment("0a1b").await.unwrap().unwrap(), pod);

    // The stored configuration counts, not the current one.
    room.configure("00-other.conflist", &["other"]);
    room.cni.check(&pod, Path::new(NETNS), &never()).await.unwrap();
    room.cni.detach(&pod, None).await.unwrap();
    room.cni.forget("0a1b").await.unwrap();
    let at = format!("0a1b {NETNS} eth0");
    assert_eq!(
        room.log(),
        format!(
            "ADD first {at}\nADD second {at}\nCHECK first {at}\nCHECK second {at}\n\
             DEL second 0a1b  eth0\nDEL first 0a1b  eth0\n"
        )
    );
    assert_eq!(room.told("first", "DEL")["prevResult"]["own"], 1);
    assert!(!room.cni.has_traces("0a1b"));
}

#[tokio::test]
async fn a_pod_that_failed_half_way_is_known_as_one() {
    let room = Room::new();
    room.configure("10-pods.conflist", &["first", "second"]);
    room.plugin("first", r#"echo '{"ips": []}'"#);
    room.plugin("second", r#"echo '{"code": 11, "msg": "no room"}'; exit 1"#);
    let mut pod = room.attachment().await;
    room.cni.prepare(&pod).await.unwrap();
    let error = room.cni.attach(&mut pod, Path::new(NETNS), &never()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "CNI network \"pods\": plugin type=\"second\" failed (add): no room"
    );
    let kept = room.cni.attachments().await;
    assert_eq!(kept, [pod]);
    assert_eq!(kept[0].result, None);
}

/// A plugin that hangs, and whose child hangs too.
fn hang(room: &Room) -> PathBuf {
    room.configure("10-pods.conflist", &["stuck"]);
    let child = room.dir.path().join("child");
    room.plugin(
        "stuck",
        &format!("sleep 600 & echo $! >{0}.new; mv {0}.new {0}; wait", child.display()),
    );
    child
}

async fn is_gone(child: &Path) {
    let child = std::fs::read_to_string(child).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    let is_gone = || std::fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "));
    eventually(is_gone).await;
}

async fn eventually(reached: impl Fn() -> bool) {
    for _ in 0..1000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never");
}

#[tokio::test]
async fn a_plugin_that_hangs_is_killed_with_its_children() {
    let mut room = Room::new();
    room.cni.patience = Duration::from_secs(2);
    let child = hang(&room);
    let mut pod = room.attachment().await;
    let added = room.cni.attach(&mut pod, Path::new(NETNS), &never()).await;
    let error = added.unwrap_err().to_string();
    assert!(error.ends_with("plugin type=\"stuck\" failed (add): not within 2 s"), "{error}");
    is_gone(&child).await;
}

#[tokio::test]
async fn nobody_waits_for_a_plugin_of_a_pod_that_is_deleted() {
    let mut room = Room::new();
    room.cni.patience = Duration::from_secs(20);
    let (child, given_up) = (hang(&room), CancellationToken::new());
    let mut pod = room.attachment().await;
    let deletion = async {
        eventually(|| child.exists()).await;
        given_up.cancel();
    };
    let adding = room.cni.attach(&mut pod, Path::new(NETNS), &given_up);
    let (added, ()) = tokio::join!(adding, deletion);
    let error = added.unwrap_err().to_string();
    let told = "plugin type=\"stuck\" failed (add): given up, the pod is deleted";
    assert!(error.ends_with(told), "{error}");
    is_gone(&child).await;
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let room = Room::new();
    assert_eq!(room.cni.network().await.unwrap(), None);
    room.configure("10-pods.conflist", &["absent"]);
    let mut pod = room.attachment().await;
    let error =
        room.cni.attach(&mut pod, Path::new(NETNS), &never()).await.unwrap_err().to_string();
    assert!(error.contains("no plugin \"absent\" in ") && error.contains("/bin"), "{error}");
    std::fs::write(room.dir.path().join("net.d/00-bad.conflist"), "{").unwrap();
    let error = room.cni.network().await.unwrap_err().to_string();
    assert!(error.contains("net.d/00-bad.conflist: "), "{error}");
    let gone = Cni::new("/nowhere/at/all".into(), vec![], room.dir.path(), "us".into());
    assert_eq!(gone.network().await.unwrap(), None);
}

#[tokio::test]
async fn another_runtimes_pods_are_not_ours() {
    let room = Room::new();
    room.configure("10-pods.conflist", &["first"]);
    room.cni.prepare(&room.attachment().await).await.unwrap();
    let other = Cni::new("/nowhere".into(), vec![], room.dir.path(), "others".into());
    assert!(other.attachments().await.is_empty());
    assert_eq!(room.cni.attachments().await.len(), 1);
    assert!(room.cni.attachment("../log").await.is_err());
}

#[tokio::test]
async fn a_plugin_sees_nothing_of_the_daemons_environment_but_its_path() {
    let room = Room::new();
    room.configure("10-pods.conflist", &["first"]);
    let seen = room.dir.path().join("environment");
    let note = format!("env >{}; echo '{{\"ips\": []}}'", seen.display());
    room.plugin("first", &note);
    let mut pod = room.attachment().await;
    room.cni.attach(&mut pod, Path::new(NETNS), &never()).await.unwrap();
    let seen = std::fs::read_to_string(seen).unwrap();
    let names = seen.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    // A shell adds some variables itself.
    let others: Vec<_> = names
        .filter(|name| !name.starts_with("CNI_") && !["PATH", "PWD", "SHLVL", "_"].contains(name))
        .collect();
    assert_eq!(others, Vec::<&str>::new());
}
