//! The manifest directory: pods follow their files, and no pod is deleted by mistake.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use probelet_integration::{Host, IMAGE, SOON, eventually, now};
use serde_json::{Value, json};

/// A time in which nothing may happen. It is longer than the 3 s after which a removal counts.
const LATER: Duration = Duration::from_secs(6);

fn with_dir(test: impl FnOnce(&mut Host) -> Result<()>) -> Result<()> {
    let mut host = Host::start()?;
    fs::create_dir(dir(&host))?;
    start(&mut host)?;
    test(&mut host).inspect_err(|_| host.show_logs())
}

fn start(host: &mut Host) -> Result<()> {
    let dir = dir(host).display().to_string();
    host.start_daemon_with(&["--manifest-dir", &dir])
}

fn dir(host: &Host) -> PathBuf {
    host.path("manifests")
}

fn pod(name: &str, args: &[&str], more: Value) -> Value {
    let mut container = json!({ "name": "app", "image": IMAGE, "args": args });
    if let (Some(container), Value::Object(more)) = (container.as_object_mut(), more) {
        container.extend(more);
    }
    let spec = json!({ "terminationGracePeriodSeconds": 0, "containers": [container] });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec })
}

fn sleeper(name: &str) -> String {
    pod(name, &["sleep"], json!({})).to_string()
}

fn write(host: &Host, file: &str, text: &str) -> Result<()> {
    Ok(fs::write(dir(host).join(file), text)?)
}

fn runs(host: &Host, name: &str) -> Result<Value> {
    host.wait_status(name, SOON * 2, |status| status["state"]["running"].is_object())
}

fn shows(host: &Host, name: &str, status: &str) -> Result<()> {
    let seen = || host.column(name).ok().filter(|seen| seen == status).map(drop);
    eventually(&format!("{name} {status}"), SOON, seen)
}

fn gone(host: &Host, name: &str) -> Result<()> {
    let is_gone = || host.probelet(["get", "pods", "-o", "name"]).ok();
    eventually(&format!("{name} is deleted"), SOON * 2, || {
        (!is_gone()?.lines().any(|line| line == format!("pod/{name}"))).then_some(())
    })
}

fn uid(host: &Host, name: &str) -> Result<Value> {
    Ok(host.pod(name)?["metadata"]["uid"].clone())
}

fn annotation(host: &Host, name: &str, key: &str) -> Result<Value> {
    Ok(host.pod(name)?["metadata"]["annotations"][key].clone())
}

#[test]
fn a_file_is_kept_running_and_only_the_file_changes_its_pod() -> Result<()> {
    with_dir(|host| {
        write(host, "web.yaml", &sleeper("web"))?;
        let id = runs(host, "web")?["containerID"].clone();
        let file = dir(host).join("web.yaml").display().to_string();
        assert_eq!(annotation(host, "web", "kubernetes.io/config.source")?, "file");
        assert_eq!(annotation(host, "web", "probelet.io/config-file")?, file.as_str());
        let kept =
            format!("error: pods \"web\" is defined by {file}: change or remove that file\n");
        let deleted = host.try_probelet(["delete", "pod", "web"], "")?;
        assert_eq!((deleted.code, deleted.stderr), (Some(1), kept.clone()));
        let applied = host.try_probelet(["apply", "-f", "-"], &sleeper("web"))?;
        assert_eq!((applied.code, applied.stderr), (Some(1), kept));
        host.probelet(["kill", "web"])?;
        host.wait_status("web", SOON, |status| {
            status["restartCount"] == 1 && status["state"]["running"].is_object()
        })?;
        assert_ne!(host.status("web")?["containerID"], id);

        // A stopped pod stays stopped until `start`, over a restart of the daemon too.
        host.probelet(["stop", "web"])?;
        host.kill_daemon()?;
        start(host)?;
        write(host, "other.yaml", &sleeper("other"))?;
        runs(host, "other")?;
        assert!(host.status("web")?["state"]["running"].is_null());
        host.probelet(["start", "web"])?;
        runs(host, "web").map(drop)
    })
}

#[test]
fn an_edit_changes_the_live_pod_if_possible_and_else_replaces_it() -> Result<()> {
    with_dir(|host| {
        write(host, "web.yaml", &sleeper("web"))?;
        let id = runs(host, "web")?["containerID"].clone();
        let uid_before = uid(host, "web")?;
        let probe = json!({ "livenessProbe": { "exec": { "command": ["/kubia-unhealthy", "--help"] },
            "periodSeconds": 7 } });
        write(host, "web.yaml", &pod("web", &["sleep"], probe).to_string())?;
        eventually("the probe", SOON, || {
            let pod = host.pod("web").ok()?;
            (pod["spec"]["containers"][0]["livenessProbe"]["periodSeconds"] == 7).then_some(())
        })?;
        assert_eq!(host.status("web")?["containerID"], id);
        assert_eq!(uid(host, "web")?, uid_before);

        host.ctr(["image", "tag", IMAGE, "docker.io/library/other:1"])?;
        let other = json!({ "image": "docker.io/library/other:1" });
        write(host, "web.yaml", &pod("web", &["sleep"], other).to_string())?;
        eventually("another pod", SOON * 2, || {
            (uid(host, "web").ok()? != uid_before).then_some(())
        })?;
        assert_eq!(runs(host, "web")?["image"], "docker.io/library/other:1");
        Ok(())
    })
}

#[test]
fn a_broken_edit_keeps_the_old_pod_and_is_reported() -> Result<()> {
    with_dir(|host| {
        write(host, "web.yaml", &sleeper("web"))?;
        let id = runs(host, "web")?["containerID"].clone();
        let file = dir(host).join("web.yaml").display().to_string();
        for (broken, why) in [
            (sleeper("web").replace("\"image\"", "\"imago\""), "imago: unknown field"),
            ("kind: [".to_owned(), ":2:1: "),
            (String::new(), ": no pod is in it"),
        ] {
            write(host, "web.yaml", &broken)?;
            eventually(why, SOON, || {
                let error = annotation(host, "web", "probelet.io/manifest-error").ok()?;
                let error = error.as_str()?;
                (error.starts_with(&file) && error.contains(why)).then_some(())
            })?;
            assert_eq!(host.column("web")?, "Running,ManifestError");
        }
        let described = host.probelet(["describe", "pod", "web"])?;
        assert!(described.contains(&format!("Manifest Error:  {file}: no pod")), "{described}");
        assert!(described.contains("Warning  ManifestError"), "{described}");
        // A new daemon keeps the pod too.
        host.kill_daemon()?;
        start(host)?;
        shows(host, "web", "Running,ManifestError")?;
        write(host, "web.yaml", &sleeper("web"))?;
        shows(host, "web", "Running")?;
        assert_eq!(host.status("web")?["containerID"], id);
        Ok(())
    })
}

#[test]
fn a_broken_file_without_a_pod_is_listed() -> Result<()> {
    with_dir(|host| {
        write(host, "web.yaml", &sleeper("web").replace("\"image\"", "\"imago\""))?;
        write(host, "half.yaml", "kind: [")?;
        shows(host, "web", "ManifestError")?;
        let half = dir(host).join("half.yaml").display().to_string();
        shows(host, &half, "ManifestError")?;
        let described = host.probelet(["describe", "pod", &half])?;
        assert!(described.contains("Manifest Error:"), "{described}");
        for verb in [["export", "web"], ["restart", "web"], ["logs", "web"]] {
            let done = host.try_probelet(verb, "")?;
            assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{done:?}");
        }
        fs::remove_file(dir(host).join("half.yaml"))?;
        write(host, "web.yaml", &sleeper("web"))?;
        shows(host, "web", "Running")?;
        gone(host, &half)
    })
}

#[test]
fn a_rename_restarts_nothing() -> Result<()> {
    with_dir(|host| {
        write(host, "web.yaml", &sleeper("web"))?;
        let id = runs(host, "web")?["containerID"].clone();
        let to = dir(host).join("renamed.yml");
        fs::rename(dir(host).join("web.yaml"), &to)?;
        eventually("its new file", SOON, || {
            let file = annotation(host, "web", "probelet.io/config-file").ok()?;
            (file == to.display().to_string()).then_some(())
        })?;
        assert_eq!(host.status("web")?["containerID"], id);
        // An editor that leaves a backup and a swap file restarts nothing either.
        fs::rename(&to, dir(host).join("renamed.yml~"))?;
        write(host, "renamed.yml", &sleeper("web"))?;
        write(host, ".renamed.yml.swp", "\u{1}")?;
        write(host, "other.yaml", &sleeper("other"))?;
        runs(host, "other")?;
        let status = host.status("web")?;
        assert_eq!((&status["containerID"], &status["restartCount"]), (&id, &json!(0)));
        Ok(())
    })
}

#[test]
fn a_file_that_is_written_in_pieces_is_applied_only_when_complete() -> Result<()> {
    with_dir(|host| {
        write(host, "two.yaml", &format!("{}\n---\n{}\n", sleeper("one"), sleeper("two")))?;
        let ids =
            [runs(host, "one")?, runs(host, "two")?].map(|status| status["containerID"].clone());
        let text = format!("{}\n---\n{}\n", sleeper("one"), sleeper("two"));
        let file = dir(host).join("two.yaml");
        // No prefix of the text may be applied, whether it is a valid manifest or not. If the test
        // was delayed for long between two writes, the file was at rest, so it is written again.
        eventually("a file written without a long break", SOON * 2, || {
            let mut breaks = Vec::new();
            for end in (0..=text.len()).step_by(text.len() / 20).chain([text.len()]) {
                fs::write(&file, &text[..end]).ok()?;
                let written = now();
                std::thread::sleep(Duration::from_millis(200));
                breaks.push(written.elapsed());
            }
            (breaks.into_iter().max()? < Duration::from_millis(600)).then_some(())
        })?;
        write(host, "zz.yaml", &sleeper("last"))?;
        runs(host, "last")?;
        let after = [host.status("one")?, host.status("two")?];
        assert_eq!(after.map(|status| status["containerID"].clone()), ids);
        assert_eq!(host.column("one")?, "Running");
        let events = host.events()?;
        assert!(!events.iter().any(|event| event.contains("ManifestRemoved")), "{events:#?}");
        Ok(())
    })
}

#[test]
fn a_pod_is_deleted_with_its_file_even_if_the_daemon_is_down_meanwhile() -> Result<()> {
    with_dir(|host| {
        for name in ["one", "two", "three"] {
            write(host, &format!("{name}.yaml"), &sleeper(name))?;
        }
        let id = runs(host, "one")?["containerID"].clone();
        runs(host, "two")?;
        runs(host, "three")?;
        fs::remove_file(dir(host).join("three.yaml"))?;
        gone(host, "three")?;
        host.kill_daemon()?;
        fs::remove_file(dir(host).join("two.yaml"))?;
        start(host)?;
        gone(host, "two")?;
        let status = host.status("one")?;
        assert_eq!((&status["containerID"], &status["restartCount"]), (&id, &json!(0)));
        host.kill_daemon()?;
        fs::remove_file(dir(host).join("one.yaml"))?;
        start(host)?;
        gone(host, "one")?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_missing_or_replaced_directory_deletes_no_pod() -> Result<()> {
    with_dir(|host| {
        write(host, "web.yaml", &sleeper("web"))?;
        let id = runs(host, "web")?["containerID"].clone();
        let health = |wanted: &str| {
            eventually(wanted, SOON, || {
                let check = json!({ "service": "manifest-dir" });
                let answer = host.call("grpc.health.v1.Health/Check", &check).ok()?;
                (answer["status"] == wanted).then_some(())
            })
        };
        health("SERVING")?;
        let aside = host.path("aside");
        fs::rename(dir(host), &aside)?;
        health("NOT_SERVING")?;
        let unreadable = |event: &String| event.starts_with("Warning ManifestDirUnreadable");
        assert!(host.events()?.iter().any(unreadable));
        std::thread::sleep(LATER);
        assert_eq!(host.column("web")?, "Running");
        // An empty directory, like a mount point without its mount.
        fs::create_dir(dir(host))?;
        shows(host, "web", "Running,ManifestError")?;
        health("SERVING")?;
        std::thread::sleep(LATER);
        assert_eq!(host.status("web")?["containerID"], id);
        fs::remove_dir(dir(host))?;
        fs::rename(&aside, dir(host))?;
        shows(host, "web", "Running")?;
        assert_eq!(host.status("web")?["containerID"], id);
        Ok(())
    })
}

#[test]
fn the_first_of_two_files_with_the_same_pod_owns_it() -> Result<()> {
    with_dir(|host| {
        write(host, "a.yaml", &sleeper("web"))?;
        runs(host, "web")?;
        write(host, "b.yaml", &sleeper("web"))?;
        shows(host, "web", "Running,ManifestError")?;
        let error = annotation(host, "web", "probelet.io/manifest-error")?;
        assert!(error.as_str().is_some_and(|text| text.contains("b.yaml: not taken")), "{error}");
        let file = annotation(host, "web", "probelet.io/config-file")?;
        assert_eq!(file, dir(host).join("a.yaml").display().to_string());
        fs::remove_file(dir(host).join("a.yaml"))?;
        shows(host, "web", "Running")?;
        assert_eq!(host.status("web")?["restartCount"], 0);
        Ok(())
    })
}

#[test]
fn a_file_names_the_namespace_of_its_pod() -> Result<()> {
    with_dir(|host| {
        write(host, "web.yaml", &sleeper("web"))?;
        let mut other = pod("web", &["sleep"], json!({}));
        other["metadata"]["namespace"] = json!("shop");
        write(host, "other.yaml", &other.to_string())?;
        let names = || host.probelet(["get", "pods", "-A"]).ok();
        let both = |table: &String| {
            let rows: Vec<_> = table.lines().filter(|row| row.contains("Running")).collect();
            rows.len() == 2 && rows[0].starts_with("default ") && rows[1].starts_with("shop ")
        };
        eventually("both pods run", SOON, || names().filter(both))?;
        let refused = host.try_probelet(["delete", "pod", "web", "-n", "shop"], "")?;
        assert!(refused.stderr.contains("pods \"shop/web\" is defined by "), "{}", refused.stderr);
        fs::remove_file(dir(host).join("other.yaml"))?;
        let one = |table: &String| !table.contains("shop ") && table.contains("Running");
        eventually("the pod is deleted with its file", SOON * 2, || names().filter(one))?;
        assert!(host.task_pid("web_app_0").is_ok());
        Ok(())
    })
}
