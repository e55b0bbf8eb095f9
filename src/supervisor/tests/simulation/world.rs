//! The world that outlives every daemon: records, tasks, processes. Each call takes some time, in
//! which the daemon may die, and reports a violation if the daemon does what it must not do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;
use tokio::sync::watch;

use super::*;
use crate::domain::container::{ImageFacts, Memory, SeenTask};
use crate::domain::exit::ExitEvidence;
use crate::domain::image::{Progress, Stored, VolumeSeen};
use crate::domain::network::PodNetwork;
use crate::node::session::{Session, SessionError, Wants};
use crate::node::{
    AttemptId, Attempts, CallError, Environments, FoundTask, Inventory, PendingRecord, PodImages,
    PullError, Recorded, StartRequest, Survey,
};

mod simulated_task;

type Written = (AttemptId, PodSpec, Memory);

pub struct Process {
    pub(super) id: AttemptId,
    pid: u32,
    ending: watch::Sender<Option<Ending>>,
    /// True if its probes fail.
    pub(super) fails_probes: AtomicBool,
    /// The number of probes that failed in a row.
    failures: AtomicU32,
}

impl Process {
    fn is_alive(&self) -> bool {
        self.ending.borrow().is_none()
    }

    pub fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|known| known.is_none() && known.replace(ending).is_none());
    }
}

#[derive(Default)]
struct State {
    records: BTreeMap<String, Written>,
    pending: BTreeMap<(PodKey, String), Written>,
    /// The tasks as containerd has them.
    tasks: BTreeMap<String, Arc<Process>>,
    processes: Vec<Arc<Process>>,
    hung: BTreeSet<String>,
    /// Tasks whose state containerd could not report to a new daemon, which kills them.
    unknown: BTreeSet<String>,
    /// Pods of which an operator has requested a stop, start or restart.
    requested: BTreeSet<PodKey>,
    violations: Vec<String>,
}

pub struct World {
    state: Mutex<State>,
    random: Mutex<Random>,
    pub(super) away: AtomicBool,
    /// True if no pending record can be written.
    pub(super) full: AtomicBool,
}

/// A task as the daemon has it.
struct SimulatedTask(Arc<World>, Arc<Process>);

#[derive(Clone)]
pub struct SimulatedRuntime(pub(super) Arc<World>);

impl World {
    pub fn new(random: Random) -> Self {
        let (away, full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { state: Mutex::default(), random: Mutex::new(random), away, full }
    }

    pub fn violations(&self) -> Vec<String> {
        self.state.lock().unwrap().violations.clone()
    }

    pub fn alive(&self) -> Vec<Arc<Process>> {
        let state = self.state.lock().unwrap();
        state.processes.iter().filter(|process| process.is_alive()).cloned().collect()
    }

    pub fn deaths_of(&self, pod: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.processes.iter().filter(|it| it.id.pod == key(pod) && !it.is_alive()).count()
    }

    pub fn request(&self, pod: &str) {
        self.state.lock().unwrap().requested.insert(key(pod));
    }

    pub fn hang(&self, id: &AttemptId) {
        self.state.lock().unwrap().hung.insert(id.to_string());
    }

    /// Makes the run folder full, unless a pending record is the only source of a fact.
    pub fn fill_run_folder(&self) {
        let is_needed = !self.state.lock().unwrap().pending.is_empty();
        self.full.store(!is_needed, Relaxed);
    }

    /// Deletes a task, because its shim has died too.
    pub fn lose(&self, id: &AttemptId) {
        self.state.lock().unwrap().tasks.remove(&id.to_string());
    }

    /// True if a process of the attempt ended with `ending`. The end of a task that was killed
    /// because its state was unknown is not known.
    pub fn ended_with(&self, id: &AttemptId, ending: Ending) -> bool {
        let state = self.state.lock().unwrap();
        let mut own = state.processes.iter().filter(|process| process.id == *id);
        own.any(|process| *process.ending.borrow() == Some(ending))
            || state.unknown.contains(&id.to_string())
    }

    pub fn recover(&self) {
        self.away.store(false, Relaxed);
        self.state.lock().unwrap().hung.clear();
    }

    /// Ends a process for the daemon. Without a cause that is a violation.
    fn kill(&self, process: &Process, ending: Ending, how: &str) {
        if !process.is_alive() {
            return;
        }
        let mut state = self.state.lock().unwrap();
        let is_unknown = state.unknown.contains(&process.id.to_string());
        let is_requested = state.requested.contains(&process.id.pod);
        if !(is_unknown || is_requested || process.failures.load(Relaxed) >= THRESHOLD) {
            state.violations.push(format!("{how} killed {}, which was healthy", process.id));
        }
        drop(state);
        process.end(ending);
    }

    fn task(&self, id: &AttemptId) -> Option<Arc<Process>> {
        self.state.lock().unwrap().tasks.get(&id.to_string()).cloned()
    }
}

impl SimulatedRuntime {
    /// Takes some time.
    async fn delay(&self) {
        let length = self.0.random.lock().unwrap().below(200);
        tokio::time::sleep(Duration::from_millis(length)).await;
    }

    /// Waits for containerd's answer, which is an error while it is away.
    async fn answer(&self) -> Result<(), NodeError> {
        self.delay().await;
        self.ping().await
    }

    /// Waits for a shim's answer. A shim that hangs gives none.
    async fn shim_answer(&self, id: &AttemptId) -> Result<(), NodeError> {
        self.answer().await?;
        if self.0.state.lock().unwrap().hung.contains(&id.to_string()) {
            tokio::time::sleep(Duration::from_secs(10)).await;
            return Err(NodeError::Call(CallError::Timeout { call: "Tasks", seconds: 10 }));
        }
        Ok(())
    }
}

fn missing(id: &AttemptId) -> NodeError {
    NodeError::Call(CallError::NotFound(format!("container {id}").into()))
}

#[async_trait]
impl PodImages for SimulatedRuntime {
    async fn check(&self, container: &ContainerSpec) -> Result<ImageFacts, NodeError> {
        self.answer().await?;
        let id = format!("{}@sha256:1", container.image());
        Ok(ImageFacts { id, from_registry: false, stop_signal: None })
    }

    async fn check_volume_image(&self, _: &str, _: &str, _: &str) -> Result<VolumeSeen, NodeError> {
        self.answer().await?;
        Ok(VolumeSeen::Viewed)
    }

    async fn pull(
        &self,
        _: &crate::node::Wanted,
        _: &Arc<watch::Sender<Progress>>,
    ) -> Result<(ImageFacts, u64), PullError> {
        Err(PullError::Failed("there is no registry".into()))
    }

    async fn images(&self) -> Result<Vec<Stored>, NodeError> {
        Ok(Vec::new())
    }

    async fn unpack(&self, _: &str, _: SystemTime) -> Result<bool, NodeError> {
        Ok(false)
    }

    async fn remove_image(&self, name: &str) -> Result<String, NodeError> {
        Ok(name.to_owned())
    }
}

#[async_trait]
impl Attempts for SimulatedRuntime {
    async fn create(&self, creation: &StartRequest) -> Result<(), NodeError> {
        self.answer().await?;
        let written = (creation.id.clone(), PodSpec::clone(&creation.pod), creation.memory.clone());
        let mut state = self.0.state.lock().unwrap();
        state.records.entry(creation.id.to_string()).or_insert(written);
        Ok(())
    }

    async fn start(&self, creation: &StartRequest) -> Result<Box<dyn Task>, NodeError> {
        self.shim_answer(&creation.id).await?;
        let key = creation.id.to_string();
        let written = (creation.id.clone(), PodSpec::clone(&creation.pod), creation.memory.clone());
        self.0.state.lock().unwrap().records.insert(key.clone(), written);
        self.answer().await?;
        if let Some(before) = self.0.task(&creation.id) {
            self.0.kill(&before, Ending::Signaled(9), "a start");
        }
        let process = {
            let mut state = self.0.state.lock().unwrap();
            let same = |it: &&Arc<Process>| it.id.pod == creation.id.pod && it.is_alive();
            let living = state.processes.iter().find(same).map(|it| it.id.to_string());
            if let Some(living) = living {
                state.violations.push(format!("{} starts beside {living}", creation.id));
            }
            state.requested.remove(&creation.id.pod);
            let process = Arc::new(Process {
                id: creation.id.clone(),
                pid: u32::try_from(state.processes.len()).unwrap(),
                ending: watch::Sender::new(None),
                fails_probes: AtomicBool::new(false),
                failures: AtomicU32::new(0),
            });
            state.processes.push(process.clone());
            state.tasks.insert(key, process.clone());
            process
        };
        // The process runs already, and the daemon may die before the answer.
        self.delay().await;
        Ok(Box::new(SimulatedTask(self.0.clone(), process)))
    }

    async fn write_record(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        let key = (id.pod.clone(), id.container.clone());
        let is_pending = self.0.state.lock().unwrap().pending.contains_key(&key);
        if is_pending && self.save_pending_record(id, pod, memory).await.is_err() {
            self.0.state.lock().unwrap().pending.remove(&key);
        }
        self.answer().await?;
        let mut state = self.0.state.lock().unwrap();
        let record = state.records.get_mut(&id.to_string()).ok_or_else(|| missing(id))?;
        *record = (id.clone(), pod.clone(), memory.clone());
        state.pending.remove(&key);
        Ok(())
    }

    async fn save_pending_record(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        if self.0.full.load(Relaxed) {
            return Err(NodeError::Internal("no space left on device".into()));
        }
        let key = (id.pod.clone(), id.container.clone());
        let written = (id.clone(), pod.clone(), memory.clone());
        self.0.state.lock().unwrap().pending.insert(key, written);
        Ok(())
    }

    async fn delete_task(&self, id: &AttemptId) -> Result<(), NodeError> {
        self.shim_answer(id).await?;
        if self.0.task(id).is_some_and(|process| process.is_alive()) {
            return Err(NodeError::Internal("cannot delete a running process".into()));
        }
        self.0.state.lock().unwrap().tasks.remove(&id.to_string());
        Ok(())
    }

    async fn delete_attempt(&self, id: &AttemptId) -> Result<(), NodeError> {
        self.end_stray_task(id).await?;
        self.answer().await?;
        self.0.state.lock().unwrap().records.remove(&id.to_string());
        Ok(())
    }

    async fn task(&self, id: &AttemptId) -> Result<FoundTask, NodeError> {
        self.answer().await?;
        let Some(process) = self.0.task(id) else { return Ok(FoundTask::None) };
        let ending = *process.ending.borrow();
        let mut state = self.0.state.lock().unwrap();
        Ok(match ending {
            _ if state.hung.contains(&id.to_string()) => {
                state.unknown.insert(id.to_string());
                FoundTask::Unknown
            }
            None => FoundTask::Running(Box::new(SimulatedTask(self.0.clone(), process))),
            Some(ending) => FoundTask::Ended(ending, now().wall),
        })
    }

    async fn restore_record(&self, creation: &StartRequest) -> Result<(), NodeError> {
        self.create(creation).await
    }

    async fn end_stray_task(&self, id: &AttemptId) -> Result<(), NodeError> {
        self.shim_answer(id).await?;
        if let Some(process) = self.0.task(id) {
            self.0.kill(&process, Ending::Signaled(9), "a cleanup");
        }
        self.0.state.lock().unwrap().tasks.remove(&id.to_string());
        Ok(())
    }

    async fn exit_evidence(&self, _: &AttemptId, _: bool) -> ExitEvidence {
        self.delay().await;
        ExitEvidence::default()
    }

    fn log_path(&self, id: &AttemptId) -> PathBuf {
        PathBuf::from(id.to_string())
    }

    async fn attach(
        &self,
        _: &AttemptId,
        _: Arc<dyn Task>,
        _: Wants,
    ) -> Result<Option<Session>, SessionError> {
        Ok(None)
    }
}

#[async_trait]
impl Inventory for SimulatedRuntime {
    async fn survey(&self) -> Result<Survey, NodeError> {
        self.answer().await?;
        let state = self.0.state.lock().unwrap();
        let recorded = |(id, pod, memory): &Written| {
            let (id, pod, memory) = (id.clone(), pod.clone(), memory.clone());
            Recorded { id, pod, memory, pending_record: false }
        };
        let pending_record = |(id, pod, memory): &Written| {
            let (pod, container, memory) = (pod.clone(), id.container.clone(), memory.clone());
            PendingRecord { pod, container, memory }
        };
        let sound = state.records.values().map(recorded).collect();
        let pending_record = state.pending.values().map(pending_record).collect();
        Ok(Survey { sound, pending_record, ..Survey::default() })
    }

    async fn ping(&self) -> Result<(), NodeError> {
        match self.0.away.load(Relaxed) {
            true => Err(NodeError::Call(CallError::Unavailable("connection refused".into()))),
            false => Ok(()),
        }
    }

    async fn task_states(&self) -> Result<Vec<(AttemptId, SeenTask)>, NodeError> {
        self.answer().await?;
        let ids: Vec<_> = {
            let state = self.0.state.lock().unwrap();
            state.records.values().map(|(id, ..)| id.clone()).collect()
        };
        let seen = |id: &AttemptId| match self.0.task(id) {
            None => SeenTask::None,
            Some(process) if process.is_alive() => SeenTask::Alive,
            Some(_) => SeenTask::Ended,
        };
        Ok(ids.into_iter().map(|id| (id.clone(), seen(&id))).collect())
    }
}

#[async_trait]
impl Environments for SimulatedRuntime {
    async fn volumes_used(&self, _: &PodSpec) -> Result<BTreeMap<String, u64>, NodeError> {
        Ok(BTreeMap::new())
    }

    async fn check_network(&self, _: &PodSpec) -> Result<(), NodeError> {
        Ok(())
    }

    async fn reconnect(&self, _: &PodSpec) -> Result<(), NodeError> {
        Ok(())
    }

    fn give_up_network(&self, _: &PodSpec) {}

    fn network(&self, _: &PodSpec) -> PodNetwork {
        PodNetwork::default()
    }
}

#[async_trait]
impl Prober for SimulatedRuntime {
    async fn attempt(&self, task: Arc<dyn Target>, _: &ContainerSpec, _: &ProbeSpec) -> Attempt {
        self.delay().await;
        let pid = task.read_file(Path::new("pid"), 16).unwrap();
        let index: usize = String::from_utf8(pid).unwrap().parse().unwrap();
        let process = self.0.state.lock().unwrap().processes[index].clone();
        let outcome = if process.fails_probes.load(Relaxed) {
            process.failures.fetch_add(1, Relaxed);
            Outcome::Failure("HTTP probe failed with statuscode: 500".into())
        } else {
            process.failures.store(0, Relaxed);
            Outcome::Success(String::new())
        };
        Attempt { outcome, latency: Duration::from_millis(1) }
    }
}
