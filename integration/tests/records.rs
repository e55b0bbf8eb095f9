//! Records of newer versions, broken records, and records that do not fit on the disk.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs::{self, File};
use std::io;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

/// A record of version 3, in base64.
const NEWER: &str = "CAM=";
/// The byte 0xff in base64, with which no message begins.
const BROKEN: &str = "/w==";

fn create(host: &Host, name: &str) -> Result<Value> {
    let request = json!({ "name": name, "image": IMAGE, "args": ["sleep"], "start": true });
    host.call("probelet.v1.Containers/CreateContainer", &request)?;
    host.wait_status(name, SOON, is_running)
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn wait_event(host: &Host, word: &str) -> Result<()> {
    eventually(word, SOON * 2, || {
        host.events().ok()?.iter().any(|event| event.contains(word)).then_some(())
    })
}

#[test]
fn newer_and_broken_records_are_shown_and_left_alone_and_other_pods_are_served() -> Result<()> {
    with_host(|host| {
        let cases = [("newer", NEWER, "RecordNewer"), ("broken", BROKEN, "RecordBroken")];
        for (name, ..) in cases {
            create(host, name)?;
        }
        create(host, "sound")?;
        let tasks = ["newer_0", "broken_0", "sound_0"];
        let pids = || tasks.iter().map(|task| host.task_pid(task)).collect::<Result<Vec<_>>>();
        let before = pids()?;
        host.kill_daemon()?;
        for (name, record, _) in cases {
            host.write_record(&format!("{name}_0"), record)?;
        }
        host.start_daemon()?;
        for (name, record, word) in cases {
            assert_eq!(host.column(name)?, word);
            assert_eq!(host.pod(name)?["status"]["phase"], "Unknown");
            let refused = host.try_probelet(["restart", name], "")?;
            ensure!(refused.code == Some(1) && refused.stderr.contains(word), "{refused:?}");
            assert_eq!(host.record(&format!("{name}_0"))?, record, "the record was changed");
        }
        host.probelet(["kill", "sound", "-s", "KILL"])?;
        let back =
            |status: &Value| status["restartCount"].as_u64() >= Some(1) && is_running(status);
        host.wait_status("sound", SOON, back)?;
        let after = tasks.iter().take(2).map(|task| host.task_pid(task));
        assert_eq!(after.collect::<Result<Vec<_>>>()?, before[..2], "their tasks were changed");
        Ok(())
    })
}

#[test]
fn a_broken_record_is_repaired_from_the_pods_other_records() -> Result<()> {
    with_host(|host| {
        create(host, "app")?;
        host.probelet(["kill", "app", "-s", "KILL"])?;
        let back =
            |status: &Value| status["restartCount"].as_u64() >= Some(1) && is_running(status);
        host.wait_status("app", SOON, back)?;
        let pid = host.task_pid("app_1")?;
        host.kill_daemon()?;
        host.write_record("app_1", BROKEN)?;
        host.start_daemon()?;
        let status = host.wait_status("app", SOON, back)?;
        assert_eq!(status["restartCount"], 1, "{status}");
        assert_eq!(host.task_pid("app_1")?, pid);
        host.probelet(["pause", "app", "--for", "10m"])?;
        eventually("the record is written again", SOON, || {
            (host.record("app_1").ok()? != BROKEN).then_some(())
        })
    })
}

#[test]
fn a_full_disk_is_reported_and_ends_no_container() -> Result<()> {
    with_host(|host| {
        let root = host.move_root_to_tmpfs("64m")?;
        create(host, "app")?;
        let pid = host.task_pid("app_0")?;
        let filler = root.join("filler");
        // The copy ends with an error when the disk is full.
        let _ = io::copy(&mut File::open("/dev/zero")?, &mut File::create(&filler)?);
        ensure!(fs::metadata(&filler)?.len() > 1 << 20, "there was no room from the start");
        // The database has some free pages, so the record grows until it does not fit.
        let mut command = vec!["/none".to_owned()];
        eventually("a record is not written", SOON * 4, || {
            command.push("x".repeat(16 << 10));
            let probe = json!({ "exec": { "command": command }, "initialDelay": "3600s" });
            let update = json!({ "name": "app", "readinessProbe": probe });
            host.call("probelet.v1.Containers/UpdateProbes", &update).ok()?;
            host.events().ok()?.iter().any(|e| e.contains("RecordNotWritten")).then_some(())
        })?;
        assert_eq!(host.task_pid("app_0")?, pid);
        fs::remove_file(&filler)?;
        wait_event(host, "RecordWritten")?;
        host.probelet(["kill", "app", "-s", "KILL"])?;
        let back =
            |status: &Value| status["restartCount"].as_u64() >= Some(1) && is_running(status);
        host.wait_status("app", SOON * 2, back).context("the restart after it")?;
        Ok(())
    })
}
