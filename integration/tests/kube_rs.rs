//! Kubernetes' client library for Rust, over a restart of the daemon.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    Api, AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, conditions, reflector, wait};
use kube::{Client, Config, ResourceExt};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{IMAGE, SOON, eventually};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// A bound for a whole part of a test.
const BOUND: Duration = Duration::from_secs(60);

struct Rust {
    kube: Kube,
    runtime: Runtime,
    client: Client,
}

impl Rust {
    fn start() -> Result<Self> {
        let kube = Kube::start()?;
        kube.host.busybox_image(&json!({}))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let kubeconfig = Kubeconfig::read_from(&kube.kubectl.kubeconfig)?;
        let client = runtime.block_on(async {
            let options = KubeConfigOptions::default();
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
            anyhow::Ok(Client::try_from(config)?)
        })?;
        Ok(Self { kube, runtime, client })
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(async { tokio::time::timeout(BOUND, work).await })?
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }
}

fn pod(name: &str, image: &str, command: &[&str]) -> Result<Pod> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image, "command": command}],
        },
    }))?)
}

#[test]
fn commands_logs_and_ports_of_a_pod() -> Result<()> {
    let rust = Rust::start()?;
    let pods = rust.pods();
    rust.wait(async {
        let script = "echo started; exec sleep 1000";
        pods.create(&PostParams::default(), &pod("box", BUSYBOX_IMAGE, &["sh", "-c", script])?)
            .await?;
        let mut web = pod("web", IMAGE, &[])?;
        web.spec.as_mut().context("no spec")?.containers[0].command = None;
        pods.create(&PostParams::default(), &web).await?;
        for name in ["box", "web"] {
            wait::await_condition(pods.clone(), name, conditions::is_pod_running()).await?;
        }
        let again = pods.create(&PostParams::default(), &web).await;
        ensure!(matches!(&again, Err(kube::Error::Api(status)) if status.code == 409), "{again:?}");

        let params = LogParams { follow: true, ..LogParams::default() };
        let line = pods.log_stream("box", &params).await?.lines().next().await;
        ensure!(line.context("no line")?? == "started");

        let script = "read line; echo got $line; exit 3";
        let params = AttachParams::default().stdin(true).stderr(false);
        let mut session = pods.exec("box", ["sh", "-c", script], &params).await?;
        let status = session.take_status().context("no status")?;
        let mut input = session.stdin().context("no input")?;
        input.write_all(b"words\n").await?;
        let mut output = String::new();
        session.stdout().context("no output")?.read_to_string(&mut output).await?;
        ensure!(output == "got words\n", "{output:?}");
        let status = status.await.context("no status")?;
        ensure!(status.reason.as_deref() == Some("NonZeroExitCode"), "{status:?}");
        let cause = status.details.and_then(|details| details.causes?.into_iter().next());
        ensure!(cause.as_ref().is_some_and(|it| it.message.as_deref() == Some("3")), "{cause:?}");

        for _ in 0..3 {
            let mut forward = pods.portforward("web", &[8080]).await?;
            let mut stream = forward.take_stream(8080).context("no stream")?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            ensure!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
            // Its `join` fails if the server has closed the connection, which it has here.
            forward.abort();
        }
        Ok(())
    })?;
    rust.wait(async {
        let uid = pods.get("box").await?.uid().context("no uid")?;
        pods.delete("box", &DeleteParams::default()).await?;
        wait::await_condition(pods.clone(), "box", conditions::is_deleted(&uid)).await?;
        Ok(())
    })
}

#[test]
fn objects_are_applied() -> Result<()> {
    let rust = Rust::start()?;
    let maps: Api<ConfigMap> = Api::default_namespaced(rust.client.clone());
    let deployments: Api<Deployment> = Api::default_namespaced(rust.client.clone());
    rust.wait(async {
        let map = |value: &str| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"},
                "data": {"a": value},
            })
        };
        let apply = async |manager: &str, value: &str, force: bool| {
            let params = PatchParams { force, ..PatchParams::apply(manager) };
            maps.patch("applied", &params, &Patch::Apply(map(value))).await
        };
        apply("ann", "1", false).await?;
        let conflict = apply("bob", "2", false).await;
        ensure!(
            matches!(&conflict, Err(kube::Error::Api(status)) if status.code == 409),
            "{conflict:?}"
        );
        let applied = apply("bob", "2", true).await?;
        ensure!(applied.data == Some(BTreeMap::from([("a".to_owned(), "2".to_owned())])));
        let labels = json!({"app": "web"});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "main", "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"]}],
                }},
            },
        });
        deployments
            .patch("web", &PatchParams::apply("ann"), &Patch::Apply(&deployment))
            .await?;
        let rolled_out = conditions::is_deployment_completed();
        wait::await_condition(deployments.clone(), "web", rolled_out).await?;
        let scale = deployments
            .patch_scale("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 0}})))
            .await?;
        ensure!(scale.spec.is_some_and(|spec| spec.replicas == Some(0)));
        let all = ListParams::default().labels("app=web");
        maps.delete_collection(&DeleteParams::default(), &all).await?;
        ensure!(maps.get_opt("applied").await?.is_some(), "it does not have the label");
        Ok(())
    })
}

#[derive(Default)]
struct Counts {
    starts: usize,
    deleted: BTreeMap<String, usize>,
}

#[test]
fn a_reflector_follows_over_a_restart() -> Result<()> {
    let mut rust = Rust::start()?;
    let maps: Api<ConfigMap> = Api::default_namespaced(rust.client.clone());
    let map = |name: &str, value: &str| -> Result<ConfigMap> {
        let metadata = json!({"name": name, "labels": {"informer": "rust"}});
        Ok(serde_json::from_value(json!({"metadata": metadata, "data": {"value": value}}))?)
    };
    let create = async |name: &str| -> Result<()> {
        maps.create(&PostParams::default(), &map(name, "1")?).await?;
        Ok(())
    };
    rust.wait(async {
        for name in ["kept", "changed", "early", "late"] {
            create(name).await?;
        }
        Ok(())
    })?;
    let (reader, writer) = reflector::store();
    let counts = Arc::<Mutex<Counts>>::default();
    let seen = counts.clone();
    let config = watcher::Config::default().labels("informer=rust");
    let events = watcher::watcher(maps.clone(), config).default_backoff();
    let events = events.reflect(writer);
    let follow = rust.runtime.spawn(async move {
        let mut events = std::pin::pin!(events);
        loop {
            match events.try_next().await {
                Ok(Some(event)) => {
                    let mut counts = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    match event {
                        Event::Init => counts.starts += 1,
                        Event::Delete(map) => {
                            *counts.deleted.entry(map.name_any()).or_default() += 1
                        }
                        _ => {}
                    }
                }
                Ok(None) => return,
                // The daemon is away, or the version is of an earlier one: the watcher goes on.
                Err(error) => eprintln!("{error}"),
            }
        }
    });
    let values = || -> BTreeMap<String, String> {
        let value = |map: &ConfigMap| map.data.as_ref()?.get("value").cloned();
        reader.state().iter().filter_map(|map| Some((map.name_any(), value(map)?))).collect()
    };
    let expect = |wanted: &[(&str, &str)]| -> Result<()> {
        let wanted = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let wanted: BTreeMap<_, _> = wanted.collect();
        let found = eventually("the copy follows", SOON * 2, || (values() == wanted).then_some(()));
        found.with_context(|| format!("{:?} is not {wanted:?}", values()))
    };
    expect(&[("kept", "1"), ("changed", "1"), ("early", "1"), ("late", "1")])?;
    rust.wait(async {
        maps.delete("early", &DeleteParams::default()).await?;
        create("before").await
    })?;
    rust.kube.crash()?;
    rust.wait(async {
        maps.delete("late", &DeleteParams::default()).await?;
        let change = Patch::Merge(json!({"data": {"value": "2"}}));
        maps.patch("changed", &PatchParams::default(), &change).await?;
        create("after").await
    })?;
    expect(&[("kept", "1"), ("changed", "2"), ("before", "1"), ("after", "1")])?;
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(counts.starts >= 2, "it has not listed again");
    ensure!(counts.deleted.values().all(|count| *count == 1), "{:?}", counts.deleted);
    if follow.is_finished() {
        bail!("the watcher has ended");
    }
    follow.abort();
    Ok(())
}
