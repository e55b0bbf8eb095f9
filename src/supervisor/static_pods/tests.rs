//! Static pods from files that the test sets, over a scripted runtime and on a paused clock.

use std::collections::BTreeMap;
use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::domain::container::Wanted;
use crate::domain::spec::{Source, sample};
use crate::domain::static_pods::{Content, Seen};
use crate::domain::status::ContainerState;
use crate::node::Target;
use crate::node::fake::Fake;
use crate::prober::{Attempt, Prober};
use crate::supervisor::{PodView, Subject, Supervisor, SupervisorBuilder};

fn key(name: impl Into<String>) -> PodKey {
    PodKey::in_default(name)
}

const MINUTE: Duration = Duration::from_secs(60);
const HERE: u64 = 7;

/// Parses `NAME IMAGE` as a pod; any other text is invalid.
fn read(file: &str, text: &Text, uid: fn() -> String) -> Reading {
    let words: Vec<_> = text.as_deref().unwrap_or_default().split(' ').collect();
    let content = match *words {
        [name, image] => {
            let mut pod = PodSpec { name: name.to_owned(), uid: uid(), ..sample::pod() };
            pod.containers[0].source = Source::Image(image.to_owned());
            Content::Pods(vec![pod.validate().unwrap()])
        }
        _ => Content::Unreadable(format!("{file}: no manifest")),
    };
    Reading { file: file.to_owned(), content, warnings: vec!["odd".to_owned()] }
}

struct Never;

#[async_trait]
impl Prober for Never {
    async fn attempt(
        &self,
        _: Arc<dyn Target>,
        _: &crate::domain::spec::ContainerSpec,
        _: &crate::domain::spec::ProbeSpec,
    ) -> Attempt {
        pending().await
    }
}

/// The files of the directory; None if it cannot be read.
#[derive(Clone, Default)]
struct Files(Arc<Mutex<Option<BTreeMap<&'static str, &'static str>>>>, Arc<Notify>);

#[async_trait]
impl ManifestDir for Files {
    async fn scan(&mut self) -> Result<Scan, ManifestDirError> {
        let Some(files) = self.0.lock().unwrap().clone() else {
            return Err(ManifestDirError::Hangs { path: "/m".into() });
        };
        let seen = |(name, text): (&str, &str)| Seen {
            file: format!("/m/{name}"),
            modified: SystemTime::UNIX_EPOCH,
            text: Ok(text.into()),
        };
        Ok(Scan { directory: HERE, files: files.into_iter().map(seen).collect() })
    }

    async fn changed(&mut self) {
        self.1.notified().await;
    }
}

struct Host {
    runtime: Arc<Fake>,
    supervisor: Arc<Supervisor>,
    files: Files,
    _running: JoinSet<()>,
}

impl Host {
    fn new(files: &[(&'static str, &'static str)]) -> Self {
        let runtime = Arc::new(Fake::default());
        let builder = SupervisorBuilder::new(runtime.clone(), Arc::new(Never));
        let supervisor = Arc::new(builder.manifest_dir(Some(Path::new("/m"))).build());
        let shared = Files::default();
        let host = Self { runtime, supervisor, files: shared, _running: JoinSet::new() };
        host.set_files(Some(files));
        host.start()
    }

    fn start(mut self) -> Self {
        let dir = Box::new(self.files.clone());
        let static_pods = self.supervisor.static_pods(dir, read);
        self._running.spawn(static_pods.run(CancellationToken::new()));
        self
    }

    fn set_files(&self, files: Option<&[(&'static str, &'static str)]>) {
        *self.files.0.lock().unwrap() = files.map(|files| files.iter().copied().collect());
        self.files.1.notify_one();
    }

    async fn until(&self, what: &str, reached: impl Fn(&Supervisor) -> bool) {
        let mut changes = self.supervisor.changes();
        let wait = changes.wait_for(|_| reached(&self.supervisor));
        tokio::time::timeout(MINUTE, wait).await.expect(what).unwrap();
    }

    async fn runs(&self, pod: &str, image: &str) -> PodView {
        let is_it = |view: PodView| {
            let container = view.spec.containers.first();
            is_running(&view) && container.is_some_and(|container| container.image() == image)
        };
        self.until(pod, |supervisor| supervisor.get(&key(pod)).is_ok_and(is_it)).await;
        self.supervisor.get(&key(pod)).unwrap()
    }

    async fn has_problem(&self, about: &str, why: &str) {
        let is_so = |view: PodView| view.manifest_error.is_some_and(|error| error.contains(why));
        self.until(why, |supervisor| supervisor.get(&key(about)).is_ok_and(is_so)).await;
    }

    async fn has_no_problem(&self, about: &str) {
        self.until(about, |s| s.get(&key(about)).is_ok_and(|view| view.manifest_error.is_none()))
            .await;
    }

    fn count(&self, call: &str) -> usize {
        self.runtime.calls().iter().filter(|known| known.starts_with(call)).count()
    }

    fn events(&self, about: &str) -> Vec<String> {
        let events = self.supervisor.events().after(0, &Subject::Pod(key(about)));
        events.into_iter().map(|event| event.reason).collect()
    }
}

fn is_running(view: &PodView) -> bool {
    let state = |status: &crate::domain::status::ContainerStatus| {
        matches!(status.state, ContainerState::Running { .. })
    };
    view.status.deletion.is_none() && view.status.all().all(state)
}

#[tokio::test(start_paused = true)]
async fn a_file_creates_changes_and_deletes_its_pod() {
    let host = Host::new(&[("a.yaml", "web app")]);
    let view = host.runs("web", "app").await;
    assert_eq!(view.spec.origin.as_ref().unwrap().file, "/m/a.yaml");
    assert!(host.events("web").contains(&"ManifestWarning".to_owned()));
    host.set_files(Some(&[("a.yaml", "web other")]));
    host.runs("web", "other").await;
    host.set_files(Some(&[]));
    host.until("deleted", |supervisor| supervisor.list().is_empty()).await;
    assert!(host.events("web").contains(&"ManifestRemoved".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_renamed_file_restarts_nothing() {
    let host = Host::new(&[("a.yaml", "web app")]);
    let uid = host.runs("web", "app").await.spec.uid.clone();
    host.set_files(Some(&[("b.yaml", "web app")]));
    host.until("its new file", |supervisor| {
        let origin = |view: PodView| view.spec.origin.clone().map(|origin| origin.file);
        supervisor.get(&key("web")).ok().and_then(origin).as_deref() == Some("/m/b.yaml")
    })
    .await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!((host.runs("web", "app").await.spec.uid.clone(), host.count("start")), (uid, 1));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_file_keeps_the_pod_and_a_fix_clears_the_error() {
    let host = Host::new(&[("a.yaml", "web app")]);
    host.runs("web", "app").await;
    host.set_files(Some(&[("a.yaml", "nonsense")]));
    host.has_problem("web", "/m/a.yaml: no manifest").await;
    tokio::time::sleep(MINUTE).await;
    assert!(is_running(&host.supervisor.get(&key("web")).unwrap()));
    host.set_files(Some(&[("a.yaml", "web app")]));
    host.has_no_problem("web").await;
    let reasons = host.events("web");
    let at = |reason: &str| reasons.iter().position(|known| known == reason).unwrap();
    assert!(at("ManifestError") < at("ManifestRight"));
    assert_eq!(host.count("start"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_file_without_a_pod_is_listed() {
    let host = Host::new(&[("a.yaml", "nonsense")]);
    host.has_problem("/m/a.yaml", "no manifest").await;
    let rows = host.supervisor.list();
    assert_eq!((rows.len(), rows[0].spec.count()), (1, 0));
    host.set_files(Some(&[]));
    host.until("no row", |supervisor| supervisor.list().is_empty()).await;
    assert_eq!(
        host.events("/m/a.yaml"),
        ["ManifestError"],
        "a removed file is not reported as valid"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_pod_is_reported_and_retried() {
    let host = Host::new(&[("a.yaml", "web bad")]);
    host.has_problem("web", "/m/a.yaml: spec.containers[0].image: is no image").await;
    host.set_files(Some(&[("a.yaml", "web app")]));
    host.runs("web", "app").await;
    host.has_no_problem("web").await;
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_directory_deletes_nothing_and_is_reported_once() {
    let host = Host::new(&[("a.yaml", "web app")]);
    host.runs("web", "app").await;
    host.set_files(None);
    host.until("reported", |supervisor| supervisor.health().reads_manifest_dir == Some(false))
        .await;
    tokio::time::sleep(MINUTE).await;
    assert!(is_running(&host.supervisor.get(&key("web")).unwrap()));
    assert_eq!(host.events("/m"), ["ManifestDirUnreadable"]);
    host.set_files(Some(&[("a.yaml", "web app")]));
    host.until("reported", |supervisor| supervisor.health().reads_manifest_dir == Some(true)).await;
    assert_eq!((host.events("/m").len(), host.count("start")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn only_the_file_changes_or_deletes_its_pod() {
    let host = Host::new(&[("a.yaml", "web app")]);
    let view = host.runs("web", "app").await;
    let refused = |done: Result<(), SupervisorError>| {
        let text = done.unwrap_err().to_string();
        assert_eq!(text, "pods \"web\" is defined by /m/a.yaml: change or remove that file");
    };
    refused(host.supervisor.requests().want(&key("web"), Wanted::Removed, None, None));
    let plain = PodSpec { origin: None, ..PodSpec::clone(&view.spec) }.validate().unwrap();
    refused(host.supervisor.check(&plain).await.map(drop));
    refused(host.supervisor.apply_or_replace(plain, None).await.map(drop));
    let probes = view.spec.containers[0].probes.clone();
    refused(host.supervisor.live_changes().update_probes(&key("web"), "", probes).await.map(drop));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_an_operator_stopped_stays_stopped() {
    let host = Host::new(&[("a.yaml", "web app")]);
    host.runs("web", "app").await;
    host.supervisor.requests().want(&key("web"), Wanted::Stopped, None, None).unwrap();
    let stopped = |view: PodView| view.status.all().all(|status| status.pid.is_none());
    host.until("stopped", |supervisor| supervisor.get(&key("web")).is_ok_and(stopped)).await;
    host.set_files(Some(&[("a.yaml", "web other")]));
    let replaced = |view: PodView| view.spec.containers[0].image() == "other";
    host.until("replaced", |supervisor| supervisor.get(&key("web")).is_ok_and(replaced)).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(host.count("start"), 1, "the changed file does not start it");
    host.supervisor.requests().want(&key("web"), Wanted::Running, None, None).unwrap();
    host.runs("web", "other").await;
}

#[tokio::test(start_paused = true)]
async fn an_applied_pod_becomes_the_pod_of_its_file() {
    let host = Host::new(&[]);
    let Content::Pods(pods) = read("", &Ok("web app".into()), new_uid).content else { panic!() };
    host.supervisor.apply(pods[0].clone(), Wanted::Running).await.unwrap();
    host.runs("web", "app").await;
    host.set_files(Some(&[("a.yaml", "web app")]));
    host.until("its file", |s| s.get(&key("web")).is_ok_and(|view| view.spec.origin.is_some()))
        .await;
    assert_eq!(host.count("start"), 1);
}
