//! Images from registries: with logins, from mirrors, and from registries that misbehave.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use probelet_integration::registry::{
    EndlessRegistry, Fault, OwnRegistry, PASSWORD, PrivateRegistry, USER,
};
use probelet_integration::{Host, IMAGE, SOON};
use serde_json::{Value, json};

/// The time for a first back-off of 10 s and the pull after it.
const AFTER_BACK_OFF: Duration = Duration::from_secs(30);

fn with_host(test: impl FnOnce(&mut Host) -> Result<()>) -> Result<()> {
    let mut host = Host::start()?;
    start_daemon(&mut host)?;
    test(&mut host).inspect_err(|_| host.show_logs())
}

fn start_daemon(host: &mut Host) -> Result<()> {
    let (config, hosts) = (host.path("config.json"), host.path("certs.d"));
    let (config, hosts) = (config.display().to_string(), hosts.display().to_string());
    host.start_daemon_with(&[
        "--registry-config",
        &config,
        "--registry-hosts-dir",
        &hosts,
        "--image-pull-progress-timeout",
        "2s",
    ])
}

fn pod(name: &str, image: &str, more: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{ \
         terminationGracePeriodSeconds: 1, containers: \
         [{{name: c, image: '{image}', args: [sleep]{more}}}]}}}}"
    )
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn waits(reason: &str) -> impl Fn(&Value) -> bool {
    move |status: &Value| status["state"]["waiting"]["reason"] == reason
}

fn log_in(host: &Host, registry: &PrivateRegistry) -> Result<()> {
    let login = json!({ "username": USER, "password": PASSWORD });
    let config = json!({ "auths": { &registry.address: login } });
    Ok(fs::write(host.path("config.json"), config.to_string())?)
}

fn expect_error(host: &Host, image: &str, words: &[&str]) -> Result<()> {
    let done = host.try_probelet(["pull", image], "")?;
    ensure!(done.code == Some(1), "{done:?}");
    for word in words {
        ensure!(done.stderr.contains(word), "{word:?} is not in {done:?}");
    }
    ensure!(!host.ctr(["images", "ls", "-q"])?.contains(image), "a broken image is in the store");
    Ok(())
}

#[test]
fn an_image_of_a_private_registry_is_pulled_with_a_login() -> Result<()> {
    with_host(|host| {
        let registry = PrivateRegistry::start(host)?;
        let app = registry.image("app:1");
        host.apply(&pod("web", &app, ""))?;
        let status = host.wait_status("web", SOON, waits("ImagePullBackOff"))?;
        let message = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("ErrImagePull") && message.contains("401"), "{status}");
        assert_eq!(host.column("web")?, "ImagePullBackOff");
        assert_eq!(host.pod("web")?["status"]["phase"], "Pending");
        let events = host.events()?;
        for expected in [
            format!("Normal Pulling Pulling image {app:?}"),
            format!("Warning Failed Failed to pull image {app:?}: "),
            "Warning Failed Error: ErrImagePull".to_owned(),
            format!("Normal BackOff Back-off pulling image {app:?}"),
        ] {
            assert!(
                events.iter().any(|event| event.starts_with(&expected)),
                "{expected}: {events:#?}"
            );
        }

        log_in(host, &registry)?;
        host.wait_status("web", AFTER_BACK_OFF, is_running)?;
        let pulled = format!("Normal Pulled Successfully pulled image {app:?} in ");
        assert!(host.events()?.iter().any(|event| event.starts_with(&pulled)));
        assert_eq!(host.status("web")?["restartCount"], 0);

        assert!(host.probelet(["images"])?.contains(&format!("{}/app", registry.address)));
        let done = host.try_probelet(["rmi", &app], "")?;
        assert!(done.stderr.contains("is in use by pod web"), "{done:?}");
        host.probelet(["delete", "pod", "web", "--grace-period", "0"])?;
        host.expect_nothing_left()?;
        host.probelet(["rmi", &app])?;
        assert!(!host.ctr(["images", "ls", "-q"])?.contains("app"));
        Ok(())
    })
}

#[test]
fn a_login_is_exchanged_for_a_token_for_the_repository() -> Result<()> {
    with_host(|host| {
        host.ctr(["images", "rm", "--sync", IMAGE])?;
        let registry = OwnRegistry::start(&host.path("own"))?;
        registry.ask_for_tokens();
        let app = registry.image("some/app:1");
        expect_error(host, &app, &["401"])?;

        let login = format!("{{ \"username\": \"{USER}\", \"password\": \"{PASSWORD}\" }}");
        let secret = format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: login}}, \
             type: kubernetes.io/dockerconfigjson, stringData: {{.dockerconfigjson: \
             '{{ \"auths\": {{ \"{}\": {login} }} }}'}}}}",
            registry.address
        );
        let pod =
            pod("web", &app, "").replace("spec: {", "spec: {imagePullSecrets: [{name: login}], ");
        host.apply(&format!("{secret}\n---\n{pod}"))?;
        host.wait_status("web", SOON, is_running)?;
        let requests = registry.requests();
        let scope = "scope=repository:some/app:pull";
        assert!(
            requests.iter().any(|r| r.replace("%3A", ":").replace("%2F", "/").contains(scope)),
            "{requests:#?}"
        );
        // The login of the pod's Secret is used for that pod only.
        expect_error(host, &registry.image("some/other:1"), &["401"])
    })
}

#[test]
fn layers_of_all_media_types_are_unpacked() -> Result<()> {
    with_host(|host| {
        let registry = OwnRegistry::start(&host.path("own"))?;
        registry.add_forms()?;
        for (tag, files) in [("forms", ["plain", "packed"].as_slice()), ("docker", &["plain"])] {
            host.apply(&pod(tag, &registry.image(&format!("app:{tag}")), ""))?;
            host.wait_status(tag, SOON, is_running)?;
            let pid = host.task_pid(&format!("{tag}_c_0"))?;
            for name in files {
                assert_eq!(&fs::read_to_string(format!("/proc/{pid}/root/{name}"))?, name);
            }
        }
        Ok(())
    })
}

#[test]
fn the_hosts_image_of_an_index_is_pulled_by_tag_and_by_digest() -> Result<()> {
    with_host(|host| {
        // The content of the image is not in containerd's store before.
        host.ctr(["images", "rm", "--sync", IMAGE])?;
        let registry = OwnRegistry::start(&host.path("own"))?;
        let by_digest = registry.image(&format!("app@{}", registry.digest()));
        let id = host.probelet(["pull", &by_digest])?;
        assert!(id.starts_with(&registry.image("app@sha256:")), "{id}");
        host.apply(&pod("web", &registry.image("app:1"), ""))?;
        host.wait_status("web", SOON, is_running)?;
        // containerd's own check finds the image complete.
        let check = host.ctr(["images", "check", &format!("name=={by_digest}")])?;
        assert!(check.contains("complete") && check.contains("true"), "{check}");
        // containerd's garbage collection removes nothing of it.
        host.ctr(["content", "prune", "references"]).ok();
        host.probelet(["restart", "web"])?;
        host.wait_status("web", SOON, |status| status["restartCount"] == 1 && is_running(status))?;
        Ok(())
    })
}

#[test]
fn wrong_content_is_refused_and_not_stored() -> Result<()> {
    with_host(|host| {
        host.ctr(["images", "rm", "--sync", IMAGE])?;
        let registry = OwnRegistry::start(&host.path("own"))?;
        let app = registry.image("app:1");
        for (fault, words) in [(Fault::Truncated, "truncated: "), (Fault::Wrong, "digest")] {
            registry.break_layer(Some(fault));
            expect_error(host, &app, &[words, &registry.layer])?;
        }
        registry.break_layer(None);
        registry.add_lie()?;
        expect_error(host, &registry.image("app:lie"), &["wrong diff id"])?;
        expect_error(host, &registry.image("app:none"), &["404"])?;
        expect_error(host, "Not A Name", &["image: couldn't parse image name"])?;
        // The failed pulls do not prevent a correct one.
        host.probelet(["pull", &app])?;
        Ok(())
    })
}

#[test]
fn endless_answers_of_a_registry_take_bounded_memory() -> Result<()> {
    // This host has the default timeout of 60 s for an answer.
    probelet_integration::with_host(|host| {
        let registry = EndlessRegistry::start()?;
        for (tag, words) in [
            ("manifest", "an answer of more than"),
            ("error", "HTTP status 404"),
            ("failure", "HTTP status 500"),
            ("token", "an answer of more than"),
            ("config", "more than 4194304"),
            ("hints", "too many informational answers"),
        ] {
            expect_error(host, &registry.image(&format!("app:{tag}")), &[words])?;
        }
        let status = fs::read_to_string(format!("/proc/{}/status", host.daemon_pid()?))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak: u64 = peak.unwrap_or_default().trim().trim_end_matches(" kB").parse()?;
        ensure!(peak < 100 << 10, "{peak} kB");
        Ok(())
    })
}

#[test]
fn an_interrupted_download_continues_where_it_stopped() -> Result<()> {
    with_host(|host| {
        host.ctr(["images", "rm", "--sync", IMAGE])?;
        let registry = OwnRegistry::start(&host.path("own"))?;
        registry.break_layer(Some(Fault::BreaksOnce));
        host.probelet(["pull", &registry.image("app:1")])?;
        let requests = registry.requests();
        let of_layer: Vec<_> = requests.iter().filter(|r| r.contains(&registry.layer)).collect();
        assert_eq!(of_layer.len(), 2, "{requests:#?}");
        assert!(!of_layer[1].ends_with(" 0"), "{requests:#?}");
        Ok(())
    })
}

#[test]
fn a_registry_that_hangs_delays_no_other_pull_and_is_retried() -> Result<()> {
    with_host(|host| {
        host.ctr(["images", "rm", "--sync", IMAGE])?;
        let (stuck, good) =
            (OwnRegistry::start(&host.path("stuck"))?, OwnRegistry::start(&host.path("good"))?);
        stuck.break_layer(Some(Fault::Stuck));
        host.apply(&pod("stuck", &stuck.image("app:1"), ""))?;
        assert_eq!(host.column("stuck")?, "ContainerCreating");
        host.apply(&pod("good", &good.image("app:1"), ""))?;
        host.wait_status("good", SOON, is_running)?;
        // The layer was downloaded from the other registry meanwhile, so the retry may succeed.
        host.wait_status("stuck", AFTER_BACK_OFF, |status| {
            is_running(status) || waits("ImagePullBackOff")(status)
        })?;
        // The next daemon tries at once.
        host.kill_daemon()?;
        start_daemon(host)?;
        host.wait_status("stuck", AFTER_BACK_OFF, is_running)?;
        // A pull that is running when the pod is deleted leaves nothing.
        host.apply(&pod("gone", &stuck.image("app:2"), ""))?;
        host.probelet(["delete", "pod", "gone", "stuck", "good", "--grace-period", "0"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn hosts_toml_names_mirrors_and_plain_http() -> Result<()> {
    with_host(|host| {
        let registry = OwnRegistry::start(&host.path("own"))?;
        let folder = host.path("certs.d/registry.invalid");
        fs::create_dir_all(&folder)?;
        let hosts = format!(
            "server = \"https://127.0.0.1:1\"\n[host.\"http://127.0.0.1:2\"]\n\
             capabilities = [\"pull\", \"resolve\"]\n[host.\"http://{}\"]\n",
            registry.address
        );
        fs::write(folder.join("hosts.toml"), hosts)?;
        host.apply(&pod("web", "registry.invalid/app:1", ""))?;
        host.wait_status("web", SOON, is_running)?;
        let requests = registry.requests();
        assert!(requests.iter().any(|r| r.contains("ns=registry.invalid")), "{requests:#?}");

        fs::write(folder.join("hosts.toml"), "client = 'x'\n")?;
        expect_error(host, "registry.invalid/app:2", &["hosts.toml: client: not supported"])
    })
}

#[test]
fn a_self_signed_certificate_is_trusted_if_hosts_toml_names_it() -> Result<()> {
    with_host(|host| {
        let certificate = host.path("registry.pem");
        let registry = PrivateRegistry::start_tls(host, &certificate)?;
        log_in(host, &registry)?;
        let folder = host.path("certs.d").join(&registry.address);
        fs::create_dir_all(&folder)?;
        let app = registry.image("app:1");
        let server = format!("server = \"https://{}\"\n", registry.address);
        fs::write(folder.join("hosts.toml"), &server)?;
        expect_error(host, &app, &["certificate"])?;
        fs::write(folder.join("hosts.toml"), format!("{server}ca = {certificate:?}\n"))?;
        host.probelet(["pull", &app])?;
        Ok(())
    })
}

#[test]
fn the_pull_policy_decides_whether_a_registry_is_used() -> Result<()> {
    with_host(|host| {
        let never = ", imagePullPolicy: Never";
        host.apply(&pod("never", "127.0.0.1:1/none", never))?;
        host.wait_status("never", SOON, waits("ErrImageNeverPull"))?;
        host.apply(&pod("here", IMAGE, never))?;
        host.wait_status("here", SOON, is_running)?;
        host.apply(&pod("bad", "Not-A-Name", ""))?;
        host.wait_status("bad", SOON, waits("InvalidImageName"))?;
        // `Always` pulls at each start, so a registry that is down prevents it.
        let registry = OwnRegistry::start(&host.path("own"))?;
        host.apply(&pod("always", &registry.image("app:1"), ", imagePullPolicy: Always"))?;
        host.wait_status("always", SOON, is_running)?;
        let before = registry.requests().len();
        host.probelet(["restart", "always"])?;
        host.wait_status("always", SOON, |s| s["restartCount"] == 1 && is_running(s))?;
        assert!(registry.requests().len() > before);
        drop(registry);
        host.try_probelet(["restart", "always"], "")?;
        host.wait_status("always", SOON, waits("ImagePullBackOff"))?;
        let status = host.status("always")?;
        assert_eq!(
            status["restartCount"], 1,
            "a restart counted before its instance started: {status}"
        );
        assert!(status["lastState"]["terminated"].is_object(), "{status}");
        Ok(())
    })
}

/// Removes all snapshots, as containerd's collector does when the image of the same layers that
/// refers to them goes.
fn remove_snapshots(host: &Host) -> Result<()> {
    let names = || -> Result<Vec<String>> {
        let table = host.ctr(["snapshots", "ls"])?;
        let names = table.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        Ok(names.map(str::to_owned).collect())
    };
    loop {
        let before = names()?;
        if before.is_empty() {
            return Ok(());
        }
        for name in &before {
            // A snapshot that others are based on is removed after them.
            host.ctr(["snapshots", "rm", name]).ok();
        }
        ensure!(names()?.len() < before.len(), "left: {before:?}");
    }
}

#[test]
fn an_image_that_is_not_unpacked_is_unpacked_and_not_pulled() -> Result<()> {
    with_host(|host| {
        remove_snapshots(host)?;
        // `Never` shows that no registry is asked.
        host.apply(&pod("web", IMAGE, ", imagePullPolicy: Never"))?;
        host.wait_status("web", SOON, is_running)?;
        let events = host.probelet(["get", "events"])?;
        ensure!(events.contains("already present on machine"), "{events}");
        ensure!(!events.contains("Pulling"), "{events}");
        host.probelet(["delete", "pod", "web"])?;

        remove_snapshots(host)?;
        let volume = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: seen}}, spec: {{containers: \
             [{{name: c, image: '{IMAGE}', args: [sleep], imagePullPolicy: Never, \
             volumeMounts: [{{name: v, mountPath: /v}}]}}], volumes: [{{name: v, image: \
             {{reference: '{IMAGE}', pullPolicy: Never}}}}]}}}}"
        );
        host.apply(&volume)?;
        host.wait_status("seen", SOON, is_running)?;
        host.probelet(["delete", "pod", "seen"])?;

        // A replacement asks for the images before it ends the old pod.
        host.apply(&pod("web", IMAGE, ""))?;
        host.wait_status("web", SOON, is_running)?;
        let old = host.pod("web")?["metadata"]["uid"].clone();
        host.ctr(["image", "tag", IMAGE, "docker.io/library/other:1"])?;
        host.apply(&pod("web", "docker.io/library/other:1", ", imagePullPolicy: Never"))?;
        host.wait_status("web", SOON, is_running)?;
        ensure!(host.pod("web")?["metadata"]["uid"] != old);
        Ok(())
    })
}
