//! The refusals of containerd and runc that a start acts upon. gRPC's codes do not distinguish them,
//! so `crates/containerd` reads their texts: each is provoked here on a real containerd.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_containerd::Containerd;
use probelet_integration::{Host, shim_of, signal};
use probelet_registry::Registries;
use probelet_runtime::{
    CallError, Extension, Namespace, NewRecord, Refusal, Runtime as _, Source, TaskStatus,
};
use rustix::process::Signal;

const ID: &str = "app_0";

/// A container's record on a containerd without a daemon.
struct Scene<'a> {
    host: &'a Host,
    namespace: Namespace,
    cgroup: String,
}

impl Scene<'_> {
    async fn create(&self) -> Result<u32, CallError> {
        self.namespace.tasks.create(ID, Vec::new(), &Default::default()).await
    }

    async fn run(&self) -> Result<u32> {
        let pid = self.create().await?;
        self.namespace.tasks.start(ID).await?;
        Ok(pid)
    }

    fn bundle(&self) -> PathBuf {
        let tasks = self.host.path("state/io.containerd.runtime.v2.task");
        tasks.join(self.host.namespace()).join(ID)
    }
}

/// Creates the record, runs the test, and deletes what it left.
fn with_record(test: impl AsyncFnOnce(&Scene<'_>) -> Result<()>) -> Result<()> {
    let host = Host::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (_, registries) = tokio::sync::watch::channel(Registries::default());
        let containerd = Containerd::new(host.containerd_socket(), "overlayfs", registries)?;
        let namespace = containerd.namespace(host.namespace())?;
        let request = host.busybox("app", "while :; do sleep 0.1; done")?;
        let rootfs = request["rootfs"].as_str().context("no rootfs")?;
        let cgroup = format!("/{}/{ID}", host.namespace());
        let spec = request["ociSpec"].to_string();
        let spec = probelet_oci::from_bundle(&spec, Path::new(rootfs), &cgroup)?;
        let extension = Extension { type_url: "test".to_owned(), value: vec![1] };
        let record = NewRecord {
            id: ID.to_owned(),
            labels: Default::default(),
            source: Source { image: None, spec },
            extension: ("test", extension),
        };
        namespace.records.create(record).await?;
        test(&Scene { host: &host, namespace, cgroup }).await
    })
}

fn expect(result: Result<impl std::fmt::Debug, CallError>, refusal: &Refusal) -> Result<()> {
    let is_it = result.as_ref().is_err_and(|error| error.refusal() == Some(refusal));
    ensure!(is_it, "{result:?} is not {refusal:?}");
    Ok(())
}

#[test]
fn a_running_task_and_a_paused_one_are_not_deleted() -> Result<()> {
    with_record(async |scene| {
        let tasks = &scene.namespace.tasks;
        scene.run().await?;
        expect(tasks.delete(ID).await, &Refusal::StillRunning)?;
        scene.host.ctr(["task", "pause", ID])?;
        ensure!(tasks.state(ID).await?.status == TaskStatus::Paused);
        expect(tasks.delete(ID).await, &Refusal::StillRunning)?;
        scene.host.ctr(["task", "resume", ID])?;
        tasks.kill_all(ID).await?;
        Ok(())
    })
}

#[test]
fn a_shim_that_dies_during_a_call_is_recognized() -> Result<()> {
    with_record(async |scene| {
        let shim = shim_of(scene.run().await?)?;
        signal(shim, Signal::STOP)?;
        let mut deletion = pin!(scene.namespace.tasks.delete(ID));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut deletion).await;
        ensure!(early.is_err(), "a suspended shim answered: {early:?}");
        signal(shim, Signal::KILL)?;
        expect(deletion.await, &Refusal::ShimDied)
    })
}

#[test]
fn a_bundle_that_is_in_the_way_is_named_and_can_be_removed() -> Result<()> {
    with_record(async |scene| {
        let (tasks, bundle) = (&scene.namespace.tasks, scene.bundle());
        fs::create_dir_all(bundle.join("rootfs"))?;
        expect(scene.create().await, &Refusal::BundleInTheWay(bundle.clone()))?;
        let foreign = bundle.with_file_name("other_0");
        ensure!(tasks.remove_bundle(ID, &scene.cgroup, &foreign).await.is_err(), "not this task's");
        tasks.remove_bundle(ID, &scene.cgroup, &bundle).await?;
        ensure!(!bundle.exists());
        scene.run().await?;
        let removed = tasks.remove_bundle(ID, &scene.cgroup, &bundle).await;
        ensure!(removed.is_err() && bundle.exists(), "the task needs its bundle");
        tasks.kill_all(ID).await?;
        Ok(())
    })
}

#[test]
fn state_of_runc_that_is_in_the_way_is_recognized() -> Result<()> {
    with_record(async |scene| {
        let state = Path::new("/run/containerd/runc").join(scene.host.namespace()).join(ID);
        fs::create_dir_all(&state)?;
        let created = scene.create().await;
        // The cleanup of the failed creation may have removed it.
        let _ = fs::remove_dir_all(&state);
        expect(created, &Refusal::StateInTheWay)
    })
}
