//! The world that outlives every daemon: records, tasks, processes. Each call takes a moment, in
//! which the daemon may die, and finds out whether it does something that it must not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tokio::sync::watch;

use super::*;
use crate::domain::container::{ImageFacts, Memory, SeenTask};
use crate::domain::exit::ExitEvidence;
use crate::domain::image::{Progress, Stored, VolumeSeen};
use crate::runtime::{
    AttemptId, FoundTask, PendingRecord, PullError, Recorded, Runtime, StartRequest, Survey,
};

mod held;

type Written = (AttemptId, PodSpec, Memory);

pub(super) struct Process {
    pub(super) id: AttemptId,
    pid: u32,
    ending: watch::Sender<Option<Ending>>,
    /// Its probes fail.
    pub(super) sick: AtomicBool,
    /// In a row.
    failures: AtomicU32,
}

impl Process {
    fn is_alive(&self) -> bool {
        self.ending.borrow().is_none()
    }

    pub(super) fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|known| known.is_none() && known.replace(ending).is_none());
    }
}

#[derive(Default)]
struct State {
    records: BTreeMap<String, Written>,
    kept: BTreeMap<(String, String), Written>,
    /// As containerd knows them, with the time of their end.
    tasks: BTreeMap<String, Arc<Process>>,
    processes: Vec<Arc<Process>>,
    hung: BTreeSet<String>,
    /// Of which nobody could say to a new daemon whether they run: these are killed.
    doubted: BTreeSet<String>,
    /// Pods that an operator wants something of.
    asked: BTreeSet<String>,
    faults: Vec<String>,
}

pub(super) struct World {
    state: Mutex<State>,
    random: Mutex<Random>,
    pub(super) away: AtomicBool,
    /// Nothing can be kept.
    pub(super) full: AtomicBool,
}

/// One process in a daemon's hand.
struct Held(Arc<World>, Arc<Process>);

#[derive(Clone)]
pub(super) struct Hand(pub(super) Arc<World>);

impl World {
    pub(super) fn new(random: Random) -> Self {
        let (away, full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { state: Mutex::default(), random: Mutex::new(random), away, full }
    }

    pub(super) fn faults(&self) -> Vec<String> {
        self.state.lock().unwrap().faults.clone()
    }

    pub(super) fn alive(&self) -> Vec<Arc<Process>> {
        let state = self.state.lock().unwrap();
        state.processes.iter().filter(|process| process.is_alive()).cloned().collect()
    }

    pub(super) fn deaths_of(&self, pod: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.processes.iter().filter(|it| it.id.pod == pod && !it.is_alive()).count()
    }

    pub(super) fn asks(&self, pod: &str) {
        self.state.lock().unwrap().asked.insert(pod.to_owned());
    }

    pub(super) fn hang(&self, id: &AttemptId) {
        self.state.lock().unwrap().hung.insert(id.to_string());
    }

    /// Unless something is kept that nobody else knows.
    pub(super) fn fill_run_folder(&self) {
        let is_needed = !self.state.lock().unwrap().kept.is_empty();
        self.full.store(!is_needed, Relaxed);
    }

    /// Its shim has died too: containerd will not know that there was a task.
    pub(super) fn lose(&self, id: &AttemptId) {
        self.state.lock().unwrap().tasks.remove(&id.to_string());
    }

    /// Of one that was killed since nobody could say whether it runs, nobody knows.
    pub(super) fn ended_so(&self, id: &AttemptId, ending: Ending) -> bool {
        let state = self.state.lock().unwrap();
        let mut own = state.processes.iter().filter(|process| process.id == *id);
        own.any(|process| *process.ending.borrow() == Some(ending))
            || state.doubted.contains(&id.to_string())
    }

    pub(super) fn recover(&self) {
        self.away.store(false, Relaxed);
        self.state.lock().unwrap().hung.clear();
    }

    /// Ends it for the daemon, which needs a cause.
    fn kill(&self, process: &Process, ending: Ending, how: &str) {
        if !process.is_alive() {
            return;
        }
        let mut state = self.state.lock().unwrap();
        let is_doubted = state.doubted.contains(&process.id.to_string());
        let is_asked = state.asked.contains(&process.id.pod);
        if !(is_doubted || is_asked || process.failures.load(Relaxed) >= THRESHOLD) {
            state.faults.push(format!("{how} killed {}, which was well", process.id));
        }
        drop(state);
        process.end(ending);
    }

    fn task(&self, id: &AttemptId) -> Option<Arc<Process>> {
        self.state.lock().unwrap().tasks.get(&id.to_string()).cloned()
    }
}

impl Hand {
    async fn moment(&self) {
        let length = self.0.random.lock().unwrap().below(200);
        tokio::time::sleep(Duration::from_millis(length)).await;
    }

    /// containerd's answer comes, or not.
    async fn ask(&self) -> Result<(), RuntimeError> {
        self.moment().await;
        self.ping().await
    }

    /// A stuck shim's never does.
    async fn ask_shim(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        self.ask().await?;
        if self.0.state.lock().unwrap().hung.contains(&id.to_string()) {
            tokio::time::sleep(Duration::from_secs(10)).await;
            return Err(RuntimeError::Timeout { call: "Tasks", seconds: 10 });
        }
        Ok(())
    }
}

fn missing(id: &AttemptId) -> RuntimeError {
    RuntimeError::NotFound(format!("container {id}"))
}

#[async_trait]
impl Runtime for Hand {
    async fn check(&self, container: &ContainerSpec) -> Result<ImageFacts, RuntimeError> {
        self.ask().await?;
        let id = format!("{}@sha256:1", container.image());
        Ok(ImageFacts { id, from_registry: false, stop_signal: None })
    }

    async fn look_at_volume(&self, _: &str, _: &str, _: &str) -> Result<VolumeSeen, RuntimeError> {
        self.ask().await?;
        Ok(VolumeSeen::Viewed)
    }

    async fn pull(
        &self,
        _: &crate::runtime::Wanted,
        _: &Arc<watch::Sender<Progress>>,
    ) -> Result<(ImageFacts, u64), PullError> {
        Err(PullError::Failed("there is no registry".into()))
    }

    async fn images(&self) -> Result<Vec<Stored>, RuntimeError> {
        Ok(Vec::new())
    }

    async fn remove_image(&self, name: &str) -> Result<String, RuntimeError> {
        Ok(name.to_owned())
    }

    async fn create(&self, creation: &StartRequest) -> Result<(), RuntimeError> {
        self.ask().await?;
        let written = (creation.id.clone(), PodSpec::clone(&creation.pod), creation.memory.clone());
        let mut state = self.0.state.lock().unwrap();
        state.records.entry(creation.id.to_string()).or_insert(written);
        Ok(())
    }

    async fn start(&self, creation: &StartRequest) -> Result<Box<dyn Task>, RuntimeError> {
        self.ask_shim(&creation.id).await?;
        let key = creation.id.to_string();
        let written = (creation.id.clone(), PodSpec::clone(&creation.pod), creation.memory.clone());
        self.0.state.lock().unwrap().records.insert(key.clone(), written);
        self.ask().await?;
        if let Some(before) = self.0.task(&creation.id) {
            self.0.kill(&before, Ending::Signaled(9), "a start");
        }
        let process = {
            let mut state = self.0.state.lock().unwrap();
            let same = |it: &&Arc<Process>| it.id.pod == creation.id.pod && it.is_alive();
            let living = state.processes.iter().find(same).map(|it| it.id.to_string());
            if let Some(living) = living {
                state.faults.push(format!("{} starts beside {living}", creation.id));
            }
            state.asked.remove(&creation.id.pod);
            let process = Arc::new(Process {
                id: creation.id.clone(),
                pid: u32::try_from(state.processes.len()).unwrap(),
                ending: watch::Sender::new(None),
                sick: AtomicBool::new(false),
                failures: AtomicU32::new(0),
            });
            state.processes.push(process.clone());
            state.tasks.insert(key, process.clone());
            process
        };
        // It runs already, and nobody may hear of it.
        self.moment().await;
        Ok(Box::new(Held(self.0.clone(), process)))
    }

    async fn remember(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError> {
        let place = (id.pod.clone(), id.container.clone());
        let is_kept = self.0.state.lock().unwrap().kept.contains_key(&place);
        if is_kept && self.keep(id, pod, memory).await.is_err() {
            self.0.state.lock().unwrap().kept.remove(&place);
        }
        self.ask().await?;
        let mut state = self.0.state.lock().unwrap();
        let record = state.records.get_mut(&id.to_string()).ok_or_else(|| missing(id))?;
        *record = (id.clone(), pod.clone(), memory.clone());
        state.kept.remove(&place);
        Ok(())
    }

    async fn keep(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError> {
        if self.0.full.load(Relaxed) {
            return Err(RuntimeError::Internal("no space left on device".into()));
        }
        let place = (id.pod.clone(), id.container.clone());
        let written = (id.clone(), pod.clone(), memory.clone());
        self.0.state.lock().unwrap().kept.insert(place, written);
        Ok(())
    }

    async fn reap(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        self.ask_shim(id).await?;
        if self.0.task(id).is_some_and(|process| process.is_alive()) {
            return Err(RuntimeError::Internal("cannot delete a running process".into()));
        }
        self.0.state.lock().unwrap().tasks.remove(&id.to_string());
        Ok(())
    }

    async fn forget(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        self.clear(id).await?;
        self.ask().await?;
        self.0.state.lock().unwrap().records.remove(&id.to_string());
        Ok(())
    }

    async fn survey(&self) -> Result<Survey, RuntimeError> {
        self.ask().await?;
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
        let pending_record = state.kept.values().map(pending_record).collect();
        Ok(Survey { sound, pending_record, ..Survey::default() })
    }

    async fn task(&self, id: &AttemptId) -> Result<FoundTask, RuntimeError> {
        self.ask().await?;
        let Some(process) = self.0.task(id) else { return Ok(FoundTask::None) };
        let ending = *process.ending.borrow();
        let mut state = self.0.state.lock().unwrap();
        Ok(match ending {
            _ if state.hung.contains(&id.to_string()) => {
                state.doubted.insert(id.to_string());
                FoundTask::Unknown
            }
            None => FoundTask::Running(Box::new(Held(self.0.clone(), process))),
            Some(ending) => FoundTask::Ended(ending, now().wall),
        })
    }

    async fn ping(&self) -> Result<(), RuntimeError> {
        match self.0.away.load(Relaxed) {
            true => Err(RuntimeError::Unavailable("connection refused".into())),
            false => Ok(()),
        }
    }

    async fn look(&self) -> Result<Vec<(AttemptId, SeenTask)>, RuntimeError> {
        self.ask().await?;
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

    async fn restore(&self, creation: &StartRequest) -> Result<(), RuntimeError> {
        self.create(creation).await
    }

    async fn clear(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        self.ask_shim(id).await?;
        if let Some(process) = self.0.task(id) {
            self.0.kill(&process, Ending::Signaled(9), "a clearing");
        }
        self.0.state.lock().unwrap().tasks.remove(&id.to_string());
        Ok(())
    }

    async fn exit_evidence(&self, _: &AttemptId, _: bool) -> ExitEvidence {
        self.moment().await;
        ExitEvidence::default()
    }

    fn log_path(&self, id: &AttemptId) -> PathBuf {
        PathBuf::from(id.to_string())
    }
}

#[async_trait]
impl Prober for Hand {
    async fn attempt(&self, task: Arc<dyn Target>, _: &ContainerSpec, _: &ProbeSpec) -> Attempt {
        self.moment().await;
        let pid = task.read_file(Path::new("pid"), 16).unwrap();
        let place: usize = String::from_utf8(pid).unwrap().parse().unwrap();
        let process = self.0.state.lock().unwrap().processes[place].clone();
        let outcome = if process.sick.load(Relaxed) {
            process.failures.fetch_add(1, Relaxed);
            Outcome::Failure("HTTP probe failed with statuscode: 500".into())
        } else {
            process.failures.store(0, Relaxed);
            Outcome::Success(String::new())
        };
        Attempt { outcome, latency: Duration::from_millis(1) }
    }
}
