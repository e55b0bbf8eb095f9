//! A host that carries actions out late, loses some, and whose pods become ready, fail and end.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What happens between two reconciliations.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Time passes.
    Wait(i64),
    /// The pod becomes ready.
    Ready,
    /// All containers end, with an error or without one.
    End(bool),
    /// A container restarts.
    Restart,
    /// Someone deletes the pod.
    Delete,
    /// The template changes.
    Change(u8),
    /// `kubectl scale`, `pause`, `suspend`.
    Toggle,
    /// The daemon ends before it stores the status or carries the actions out.
    Lose,
    /// A pod of another owner takes a name, and leaves it.
    Foreign,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..400_i64).prop_map(Step::Wait),
        Just(Step::Ready),
        any::<bool>().prop_map(Step::End),
        Just(Step::Restart),
        Just(Step::Delete),
        (0..3_u8).prop_map(Step::Change),
        Just(Step::Toggle),
        Just(Step::Lose),
        Just(Step::Foreign),
    ];
    proptest::collection::vec(step, 0..40)
}

struct Host {
    kind: Kind,
    object: Value,
    pods: Vec<PodFacts>,
    now: i64,
    serial: u32,
    lost: bool,
}

impl Host {
    fn new(kind: Kind, more: Value) -> Self {
        let object = object(kind, more);
        Self { kind, object, pods: Vec::new(), now: 0, serial: 0, lost: false }
    }

    /// One reconciliation; true if it did something.
    fn reconcile(&mut self) -> bool {
        let result = run(&self.object, &self.pods, self.now);
        let mut named = BTreeSet::new();
        let mut did = false;
        if std::mem::take(&mut self.lost) {
            return true;
        }
        did |= self.object["status"] != result.status;
        self.object["status"] = result.status.clone();
        for action in &result.actions {
            did = true;
            match action {
                Action::CreatePod(pod) => {
                    assert!(named.insert(&pod.name), "one name twice: {result:?}");
                    let taken = self.pods.iter().any(|it| it.name == pod.name);
                    assert!(!taken, "{} exists: {result:?}", pod.name);
                    let alive =
                        |it: &&PodFacts| it.owner.as_deref() == Some("u-1") && !it.is_over();
                    assert_eq!(self.pods.iter().find(alive), None, "two pods at once");
                    self.serial += 1;
                    let uid = format!("pod-{}", self.serial);
                    self.pods.push(PodFacts { uid, ..created(&result) });
                }
                Action::DeletePod { name, uid, .. } => {
                    let pod = self.pods.iter_mut().find(|it| &it.name == name).expect("exists");
                    assert_eq!((&pod.uid, pod.owner.as_deref()), (uid, Some("u-1")));
                    assert!(!pod.deleting, "deleted twice");
                    pod.deleting = true;
                }
                other => panic!("{other:?}"),
            }
        }
        did
    }

    /// Pods whose deletion is under way end.
    fn settle(&mut self) {
        self.pods.retain(|pod| !pod.deleting);
    }

    fn mine(&mut self) -> Option<&mut PodFacts> {
        self.pods.iter_mut().find(|pod| pod.owner.is_some() && !pod.is_over() && !pod.deleting)
    }

    fn take(&mut self, step: Step) {
        let now = at(self.now);
        match step {
            Step::Wait(seconds) => {
                self.now += seconds;
                self.settle();
            }
            Step::Ready => {
                if let Some(pod) = self.mine() {
                    pod.phase = Phase::Running;
                    pod.ready_since.get_or_insert(now);
                }
            }
            Step::End(well) => {
                if let Some(pod) = self.mine() {
                    pod.phase = if well { Phase::Succeeded } else { Phase::Failed };
                    (pod.ready_since, pod.finished) = (None, Some(now));
                }
            }
            Step::Restart => {
                if let Some(pod) = self.mine() {
                    pod.restarts += 1;
                }
            }
            Step::Delete => {
                if let Some(pod) = self.mine() {
                    pod.deleting = true;
                }
            }
            Step::Change(image) if self.kind != Kind::Job => {
                self.object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
            }
            Step::Toggle => match self.kind {
                Kind::DaemonSet => {}
                Kind::Job => {
                    let suspended = self.object["spec"]["suspend"] == json!(true);
                    self.object["spec"]["suspend"] = json!(!suspended);
                }
                _ => {
                    let replicas = self.object["spec"]["replicas"].as_i64().unwrap();
                    self.object["spec"]["replicas"] = json!(1 - replicas);
                }
            },
            Step::Lose => self.lost = true,
            Step::Foreign => {
                let before = self.pods.len();
                self.pods.retain(|pod| pod.owner.is_some());
                let name = if self.kind == Kind::StatefulSet { "web-0" } else { "web" };
                if self.pods.len() == before && self.pods.iter().all(|pod| pod.name != name) {
                    let (name, uid) = (name.to_owned(), "foreign".to_owned());
                    self.pods.push(PodFacts { name, uid, ..PodFacts::default() });
                }
            }
            Step::Change(_) => {}
        }
    }

    /// Lets a good host work until nothing is left to do. Pods end well if they should end.
    fn finish(&mut self) {
        self.pods.retain(|pod| pod.owner.is_some());
        if self.kind == Kind::Job {
            self.object["spec"]["suspend"] = json!(false);
        }
        for _ in 0..200 {
            let did = self.reconcile();
            self.settle();
            let next = run(&self.object, &self.pods, self.now).next;
            let end = if self.kind == Kind::Job { Step::End(true) } else { Step::Ready };
            self.take(end);
            if let Some(next) = next {
                self.now = self.now.max(next.duration_since(at(0)).as_secs());
            } else if !did && !self.reconcile() {
                return;
            }
        }
        panic!("still working: {:?}", run(&self.object, &self.pods, self.now));
    }
}

fn simulate(kind: Kind, more: Value, steps: Vec<Step>) -> Host {
    let mut host = Host::new(kind, more);
    for step in steps {
        host.take(step);
        host.reconcile();
    }
    host.finish();
    host
}

proptest! {
    #[test]
    fn a_replicated_pod_reaches_its_goal(which in 0..3_usize, ready in 0..20, steps in steps()) {
        let kind = [Kind::Deployment, Kind::DaemonSet, Kind::StatefulSet][which];
        let host = simulate(kind, json!({ "minReadySeconds": ready }), steps);
        let replicas = host.object["spec"]["replicas"].as_u64().unwrap_or(1) as usize;
        prop_assert_eq!(host.pods.len(), replicas);
        let status = &host.object["status"];
        let field = match kind {
            Kind::DaemonSet => "numberAvailable",
            _ => "availableReplicas",
        };
        prop_assert_eq!(status[field].as_u64().unwrap_or(0) as usize, replicas);
        if kind == Kind::Deployment {
            let conditions = conditions(&host.object);
            prop_assert!(conditions.contains(&"Progressing=True(NewReplicaSetAvailable)".to_owned()), "{:?}", conditions);
        }
        if kind == Kind::StatefulSet {
            prop_assert_eq!(&status["currentRevision"], &status["updateRevision"]);
        }
    }

    #[test]
    fn a_job_ends(
        completions in 1..4_i64, limit in 0..4, on_failure in any::<bool>(), deadline in any::<bool>(), steps in steps(),
    ) {
        let mut more = json!({ "completions": completions, "backoffLimit": limit });
        if deadline {
            more["activeDeadlineSeconds"] = json!(300);
        }
        if on_failure {
            more["template"] = json!({ "spec": { "containers": [], "restartPolicy": "OnFailure" } });
        }
        let host = simulate(Kind::Job, more, steps);
        let status = &host.object["status"];
        let conditions = conditions(&host.object);
        let complete = conditions.iter().any(|it| it.starts_with("Complete=True"));
        let failed = conditions.iter().any(|it| it.starts_with("Failed=True"));
        prop_assert!(complete != failed, "{:?}", conditions);
        prop_assert_eq!(status.get("active"), None);
        let succeeded = status["succeeded"].as_i64().unwrap_or(0);
        prop_assert_eq!(complete, succeeded == completions);
    }
}
