//! One reconciliation against writes that fail.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use jiff::Timestamp;
use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::status::{GroupResource, Status};
use probelet_workload::{Deletion, Kind, PodFacts};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::api::{self, Api, Part};
use super::collector::collect;
use super::dependent::Dependent;
use super::inventory::Inventory;
use super::ownership::{Ownership, Unwound};
use super::pods::Pods;
use super::queue::{Done, Seen, Work};
use super::recorder::Recorder;
use super::round::Round;
use super::unwinding::Unwinding;
use crate::domain::notice::Event;
use crate::domain::pod_key::PodKey;
use crate::kube_objects::{Edit, StoredObjects};
use crate::supervisor::{EventLog, Subject};

/// Writes that are only noted. Those whose text contains one of `refused` fail.
#[derive(Default)]
struct Noted {
    refused: Vec<(&'static str, u16)>,
    done: Mutex<Vec<String>>,
}

impl Noted {
    fn note(&self, text: String) -> Result<(), Status> {
        let refused = self.refused.iter().find(|(part, _)| text.contains(part));
        let result = match refused {
            None => Ok(()),
            Some((_, code)) => Err(match code {
                404 => Status::not_found(&GroupResource::new("", "pods"), "web"),
                409 => Status::modified(&GroupResource::new("", "pods"), "web"),
                _ => Status::internal("it does not work"),
            }),
        };
        self.done.lock().unwrap().push(text);
        result
    }

    fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }
}

#[async_trait]
impl Api for Noted {
    async fn create(&self, served: &'static Served, object: Value, by: &str) -> Result<(), Status> {
        let name = object["metadata"]["name"].as_str().unwrap();
        self.note(format!("create {} {name} by {by}", served.name))
    }

    async fn replace(
        &self,
        served: &'static Served,
        object: Value,
        part: Part,
        _: &str,
    ) -> Result<(), Status> {
        let metadata = &object["metadata"];
        let kept = [&metadata["ownerReferences"], &metadata["finalizers"]];
        let kept = kept.map(|it| it.as_array().map_or(0, Vec::len));
        self.note(format!("replace {} {part:?} {kept:?}", served.name))
    }

    async fn delete(
        &self,
        served: &'static Served,
        (key, uid): (&Key, &str),
        foreground: bool,
        _: &str,
    ) -> Result<(), Status> {
        let how = if foreground { "foreground" } else { "background" };
        self.note(format!("delete {} {} {uid} {how}", served.name, key.name()))
    }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:30Z".parse().unwrap()
}

fn object(kind: Kind) -> Value {
    json!({
        "apiVersion": kind.api_version(), "kind": kind.name(),
        "metadata": {
            "name": "web", "namespace": "default", "uid": "u", "resourceVersion": "7",
            "generation": 1, "creationTimestamp": "2025-12-31T23:59:30Z",
        },
        "spec": {
            "replicas": 1, "schedule": "* * * * *", "concurrencyPolicy": "Allow",
            "timeZone": "Etc/UTC",
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}},
            "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}},
        },
    })
}

struct Trial {
    api: Arc<Noted>,
    objects: StoredObjects,
    _folder: TempDir,
    object: Value,
    pods: Vec<PodFacts>,
    owned: Vec<Dependent>,
    /// True if another owner keeps the dependents.
    kept: bool,
    is_cordoned: bool,
    kind: Kind,
}

fn opened(folder: &TempDir) -> StoredObjects {
    StoredObjects::open(folder.path(), Catalog::default().rows(), SystemTime::now).unwrap()
}

impl Trial {
    fn new(kind: Kind, refused: &[(&'static str, u16)]) -> Self {
        let api = Noted { refused: refused.to_vec(), ..Noted::default() };
        let folder = tempfile::tempdir().unwrap();
        Self {
            api: Arc::new(api),
            objects: opened(&folder),
            _folder: folder,
            object: object(kind),
            pods: Vec::new(),
            owned: Vec::new(),
            kept: false,
            is_cordoned: false,
            kind,
        }
    }

    async fn run(&self) -> Done {
        let round = Round {
            api: self.api.clone(),
            recorder: Arc::new(Recorder::new(self.objects.clone(), Arc::default())),
            kind: self.kind,
            object: Arc::new(self.object.clone()),
            pods: self.pods.clone(),
            jobs: Vec::new(),
            is_cordoned: self.is_cordoned,
            now: now(),
        };
        round.run().await
    }

    fn events(&self) -> Vec<String> {
        let events = Stored::of(api::core("events").unwrap());
        let events = self.objects.list(events, None);
        events.iter().map(|it| format!("{} {}", it["reason"], it["message"])).collect()
    }

    fn owned(&mut self, name: &str) {
        let owner = json!({
            "apiVersion": self.kind.api_version(), "kind": self.kind.name(), "name": "web",
            "uid": "u", "blockOwnerDeletion": true,
        });
        let pod = json!({"metadata": {
            "name": name, "namespace": "default", "uid": format!("uid-of-{name}"),
            "ownerReferences": [owner],
        }});
        self.owned.push(Dependent::of(&pod).unwrap());
    }

    async fn unwind(&self) -> Done {
        let object = Arc::new(self.object.clone());
        let deletion = Deletion::of(&object).unwrap();
        let pods = api::core("pods").unwrap();
        let unwinding = Unwinding {
            api: self.api.clone(),
            recorder: Arc::new(Recorder::new(self.objects.clone(), Arc::default())),
            store: self.objects.store().clone(),
            of: Unwound {
                served: api::served(self.kind).unwrap(),
                key: Key::of(&object).unwrap(),
                object,
                deletion,
            },
            dependents: self.owned.iter().map(|it| (pods, it.clone(), self.kept)).collect(),
        };
        unwinding.run().await
    }

    fn deleted_with(&mut self, finalizer: &str) {
        self.object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        self.object["metadata"]["finalizers"] = json!([finalizer]);
    }
}

#[tokio::test]
async fn the_status_is_stored_before_the_pod_is_created() {
    let trial = Trial::new(Kind::Deployment, &[]);
    assert!(!trial.run().await.failed);
    let wanted = ["replace deployments Status [0, 0]", "create pods web by deployment/web"]
        .map(String::from);
    assert_eq!(trial.api.done(), wanted);
    let events = trial.events();
    assert_eq!(events[0], r#""SuccessfulCreate" "Created pod: web""#);
    assert!(events[1].contains("ScalingReplicaSet") && events[1].contains("from 0 to 1"));
}

#[tokio::test]
async fn a_cordoned_node_gets_no_pods_but_those_of_daemon_sets() {
    let mut trial = Trial::new(Kind::Deployment, &[]);
    trial.is_cordoned = true;
    assert!(!trial.run().await.failed);
    assert_eq!(trial.api.done().len(), 1, "the status alone: {:?}", trial.api.done());
    assert!(trial.events()[0].contains("1 node(s) were unschedulable"), "{:?}", trial.events());
    let mut trial = Trial::new(Kind::DaemonSet, &[]);
    trial.is_cordoned = true;
    trial.run().await;
    assert!(trial.api.done().iter().any(|it| it.starts_with("create pods")));
}

#[tokio::test]
async fn events_are_counted_and_continue_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let object = object(Kind::Job);
    let mut numbers = Vec::new();
    for daemon in 1..=2 {
        let objects = opened(&folder);
        // The host's log continues too, with the numbers that it had.
        let log = Arc::new(EventLog::default());
        let recorder = Recorder::new(objects.clone(), log.clone());
        let restored: Vec<_> = log.after(0, &Subject::All).iter().map(|it| it.sequence).collect();
        assert_eq!(restored, numbers);
        recorder.normal(&object, "Completed", "Job completed".into()).await;
        recorder.warning(&object, "Failed", daemon.to_string()).await;
        let events = objects.list(Stored::of(api::core("events").unwrap()), None);
        let mut events: Vec<_> =
            events.iter().map(|it| format!("{} {}", it["message"], it["count"])).collect();
        events.sort();
        match daemon {
            1 => assert_eq!(events, [r#""1" 1"#, r#""Job completed" 1"#]),
            _ => assert_eq!(events, [r#""1" 1"#, r#""2" 1"#, r#""Job completed" 2"#]),
        }
        let logged = log.after(0, &Subject::All);
        let of_log = logged.iter().map(|it| format!("{:?} {}", it.message, it.count));
        let mut of_log: Vec<_> = of_log.collect();
        of_log.sort();
        assert_eq!(of_log, events);
        let is_of_job = |it: &Event| it.object.as_ref().is_some_and(|it| it.kind == "Job");
        assert!(logged.iter().all(is_of_job));
        // A pod of this name has none of them.
        let pod = Subject::Pod(PodKey::new(&*logged[0].namespace, &*logged[0].pod));
        assert!(log.after(0, &pod).is_empty());
        numbers = logged.iter().map(|it| it.sequence).collect();
    }
}

#[tokio::test]
async fn a_failed_action_is_an_event_and_is_tried_again() {
    let trial = Trial::new(Kind::Deployment, &[("create", 500)]);
    assert!(trial.run().await.failed);
    let events = trial.events();
    assert!(events.len() == 1 && events[0].contains("FailedCreate"), "{events:?}");
    assert!(events[0].contains("it does not work"), "{events:?}");
    // Another writer of the object was first.
    let trial = Trial::new(Kind::Deployment, &[("Status", 409)]);
    assert!(trial.run().await.failed);
    assert_eq!((trial.api.done().len(), trial.events().len()), (1, 0));
}

#[tokio::test]
async fn a_time_of_the_schedule_is_used_up_only_with_its_job() {
    let trial = Trial::new(Kind::CronJob, &[("create jobs", 500)]);
    assert!(trial.run().await.failed);
    assert_eq!(trial.api.done().len(), 1, "no status: {:?}", trial.api.done());
    let trial = Trial::new(Kind::CronJob, &[]);
    let done = trial.run().await;
    assert_eq!((done.failed, trial.api.done().len()), (false, 2), "{:?}", trial.api.done());
    assert_eq!(done.next, Some("2026-01-01T00:01:00Z".parse().unwrap()));
}

#[tokio::test]
async fn an_unchanged_status_is_not_written() {
    let mut trial = Trial::new(Kind::StatefulSet, &[]);
    trial.object["spec"]["replicas"] = json!(0);
    trial.run().await;
    assert_eq!(trial.api.done().len(), 1);
    let jobs = Trial::new(Kind::Job, &[("Status", 404)]);
    let done = jobs.run().await;
    assert!(!done.failed, "the Job was deleted meanwhile");
}

#[tokio::test]
async fn a_foreground_deletion_waits_for_the_pods() {
    let mut trial = Trial::new(Kind::Deployment, &[]);
    trial.deleted_with("foregroundDeletion");
    trial.owned("web");
    assert!(!trial.unwind().await.failed);
    assert_eq!(trial.api.done(), ["delete pods web uid-of-web background"]);
    trial.owned.clear();
    trial.unwind().await;
    assert_eq!(trial.api.done()[1..], ["replace deployments Object [0, 0]"]);
}

#[tokio::test]
async fn a_dependent_that_does_not_block_is_deleted_and_one_of_another_owner_stays() {
    let mut trial = Trial::new(Kind::Deployment, &[]);
    trial.deleted_with("foregroundDeletion");
    trial.owned("web");
    trial.owned[0].owners[0].blocks = false;
    trial.unwind().await;
    let wanted = ["delete pods web uid-of-web background", "replace deployments Object [0, 0]"];
    assert_eq!(trial.api.done(), wanted);
    let owners = json!([{"uid": "u"}, {"uid": "other"}]);
    let pod = json!({"metadata": {
        "name": "web", "namespace": "default", "ownerReferences": owners,
    }});
    trial.objects.store().publish(Stored::of(api::core("pods").unwrap()), pod, 2).unwrap();
    (trial.api, trial.kept) = (Arc::default(), true);
    trial.unwind().await;
    assert_eq!(
        trial.api.done(),
        ["replace pods Object [1, 0]", "replace deployments Object [0, 0]"]
    );
}

#[tokio::test]
async fn an_orphaning_deletion_releases_the_pods_first() {
    let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "uid": "u"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "ownerReferences": [owner]},
    });
    let mut trial = Trial::new(Kind::Deployment, &[("replace pods", 500)]);
    trial.objects.store().publish(Stored::of(api::core("pods").unwrap()), pod.clone(), 2).unwrap();
    trial.deleted_with("orphan");
    trial.owned("web");
    assert!(trial.unwind().await.failed);
    assert_eq!(trial.api.done(), ["replace pods Object [0, 0]"], "the object stays");
    trial.api = Arc::default();
    assert!(!trial.unwind().await.failed);
    let wanted = ["replace pods Object [0, 0]", "replace deployments Object [0, 0]"];
    assert_eq!(trial.api.done(), wanted);
}

#[tokio::test]
async fn a_failed_deletion_of_garbage_is_tried_again() {
    let mut trial = Trial::new(Kind::Deployment, &[("later", 500), ("gone", 404)]);
    trial.owned("web");
    let pods = api::core("pods").unwrap();
    for (name, failed) in [("web", false), ("later", true), ("gone", false)] {
        let dependent = Dependent { key: Key::new("default", name), ..trial.owned[0].clone() };
        assert_eq!(collect(&*trial.api, pods, &dependent).await.failed, failed, "{name}");
    }
}

/// A ConfigMap with this UID, owned by these objects.
fn map(uid: &str, owners: &[(&str, &str, &str)]) -> Arc<Value> {
    let owners: Vec<_> = owners
        .iter()
        .map(|(api_version, kind, uid)| {
            json!({"apiVersion": api_version, "kind": kind, "name": "x", "uid": uid})
        })
        .collect();
    Arc::new(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": uid, "namespace": "default", "uid": uid, "ownerReferences": owners,
    }}))
}

#[test]
fn an_object_is_garbage_when_no_owner_of_its_namespace_is_left() {
    let mut ownership = Ownership::default();
    let maps = api::core("configmaps").unwrap();
    let (owner, missing) = (("v1", "ConfigMap", "owner"), ("v1", "ConfigMap", "missing"));
    for object in [
        map("owner", &[]),
        map("owned", &[owner]),
        map("garbage", &[missing]),
        map("kept", &[missing, owner]),
        map("other-kind", &[("v1", "Secret", "s")]),
        map("of-a-pod", &[("v1", "Pod", "p")]),
        map("not-served", &[("example.org/v1", "Widget", "w")]),
        map("of-a-replica-set", &[("apps/v1", "ReplicaSet", "r")]),
        map("of-the-node", &[("v1", "Node", "n")]),
    ] {
        ownership.insert(maps, &object);
    }
    let mut elsewhere = Value::clone(&map("elsewhere", &[owner]));
    elsewhere["metadata"]["namespace"] = json!("other");
    ownership.insert(maps, &elsewhere);
    let pods = Pods::default();
    let found = ownership.garbage(&pods);
    let found: Vec<_> = found.iter().map(|(_, it)| it.uid.as_str()).collect();
    assert_eq!(found, ["garbage", "other-kind", "of-a-pod", "elsewhere"]);
    let of_owner = ownership.of_owner(&pods, &Key::new("default", "owner"), "owner");
    let of_owner: Vec<_> = of_owner.iter().map(|(_, it, kept)| (it.uid.as_str(), *kept)).collect();
    assert_eq!(of_owner, [("owned", false), ("kept", false)]);
    let of_missing = ownership.of_owner(&pods, &Key::new("default", "missing"), "missing");
    let kept: Vec<_> = of_missing.iter().map(|(_, it, kept)| (it.uid.as_str(), *kept)).collect();
    assert_eq!(kept, [("garbage", false), ("kept", true)]);
}

#[tokio::test]
async fn another_look_at_the_objects_finds_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let objects = opened(&folder);
    let edit = async |stored, object| {
        let edit = Edit::Create { object, applied: Applied::default() };
        objects.edit(stored, edit).await.unwrap()
    };
    let mut inventory = Inventory::default();
    let jobs = Stored::of(api::served(Kind::Job).unwrap());
    let job = json!({"metadata": {"name": "once", "namespace": "batch", "uid": "u"}});
    let job = edit(jobs, job).await;
    let differences = inventory.refresh(&objects);
    assert_eq!(differences.of_jobs, ["batch".to_owned()].into());
    assert!(!differences.is_cordon_changed);
    let seen: Vec<_> = inventory.workloads().collect();
    let [Seen { work: Work::Object(Kind::Job, key), version, .. }] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!((key.namespace(), key.name()), ("batch", "once"));
    assert_eq!(version, job["metadata"]["resourceVersion"].as_str().unwrap());
    assert!(inventory.refresh(&objects).of_jobs.is_empty());
    let nodes = Stored::of(api::core("nodes").unwrap());
    edit(nodes, json!({"metadata": {"name": "n"}, "spec": {"unschedulable": true}})).await;
    assert!(inventory.refresh(&objects).is_cordon_changed);
    assert!(inventory.is_cordoned);
}
