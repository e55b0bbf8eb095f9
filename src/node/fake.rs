//! A scripted runtime for tests. It records its calls, and its processes end on request.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};

use super::attempt::{AttemptId, Recorded, StartRequest, Survey};
use super::error::{NodeError, PullError};
use super::foreign_containers::ForeignContainers;
use super::roles::{Attempts, Environments, Inventory, PodImages};
use super::session::{Order, Session, SessionError, Wants};
use super::task_trait::{FoundTask, StartNotes, Task};
use crate::domain::adopt::{ContainerRef, ForeignContainer, Stdio};
use crate::domain::container::{ImageFacts, Memory, SeenTask};
use crate::domain::exit::{Ending, ExitEvidence};
use crate::domain::image::{Progress, Stored, VolumeSeen};
use crate::domain::network::PodNetwork;
use crate::domain::spec::{ContainerSpec, ExecVia, PodSpec};
use probelet_prober::{ExecError, Executed, Target, Turn};
use probelet_runtime::{CallError, Wanted};

/// The OOM count at the start of a process, as if its cgroup were older than the process.
const OOM_KILLS_BEFORE: u64 = 3;

#[derive(Default)]
pub struct Fake {
    calls: Mutex<Vec<String>>,
    processes: Mutex<Vec<Arc<Process>>>,
    ids: Mutex<Vec<String>>,
    remembered: Mutex<Option<(PodSpec, Memory)>>,
    /// The state that could not be written to the record.
    pub kept: Mutex<Option<(PodSpec, Memory)>>,
    /// Errors of the next starts; the last one is used first.
    pub start_errors: Mutex<Vec<NodeError>>,
    /// Errors of the next deletions of ended tasks.
    pub reap_errors: Mutex<Vec<NodeError>>,
    /// Results of pulls; the last one is used first. Pulls wait while the list is empty, and a
    /// success stays in it.
    pub pulls: watch::Sender<Vec<Result<(), PullError>>>,
    ignores_sigterm: bool,
    /// The records that an earlier daemon left.
    pub recorded: Mutex<Vec<Recorded>>,
    /// Running attempts, and the delay of each one's answer.
    pub answers: Mutex<BTreeMap<String, Duration>>,
    /// Errors of the next queries of tasks.
    pub task_errors: Mutex<Vec<NodeError>>,
    /// The result of `look`.
    pub looks: Mutex<Vec<(AttemptId, SeenTask)>>,
    /// Makes the next `network` call panic, which the pod's actor makes in each iteration.
    pub panics: AtomicBool,
    /// Set while the runtime does not answer.
    pub away: AtomicBool,
    /// Set while the record is missing and cannot be created.
    pub recordless: AtomicBool,
    /// OOM kills that happen before the start returns.
    pub early_oom_kills: AtomicU64,
}

struct Process {
    ending: watch::Sender<Option<Ending>>,
    ignores_sigterm: bool,
    oom_kills: watch::Sender<u64>,
}

struct Held(Arc<Process>);

fn facts(image: &str, from_registry: bool) -> ImageFacts {
    ImageFacts { id: format!("{image}@sha256:1"), from_registry, stop_signal: None }
}

impl Fake {
    /// Returns a runtime whose processes ignore SIGTERM.
    pub fn stubborn() -> Self {
        Self { ignores_sigterm: true, ..Self::default() }
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns the state that was written last.
    pub fn remembered(&self) -> (PodSpec, Memory) {
        self.remembered.lock().unwrap().clone().unwrap()
    }

    /// Ends the newest process.
    pub fn end(&self, ending: Ending) {
        let processes = self.processes.lock().unwrap();
        processes.last().unwrap().ending.send_replace(Some(ending));
    }

    /// Ends the newest process of one attempt.
    pub fn end_of(&self, id: &str, ending: Ending) {
        let at = self.ids.lock().unwrap().iter().rposition(|known| known == id).unwrap();
        self.processes.lock().unwrap()[at].ending.send_replace(Some(ending));
    }

    /// Adds an OOM kill in the cgroup of the newest process.
    pub fn oom_kill(&self) {
        let processes = self.processes.lock().unwrap();
        processes.last().unwrap().oom_kills.send_modify(|kills| *kills += 1);
    }

    fn born(&self, id: &AttemptId) -> Held {
        let ignores_sigterm = self.ignores_sigterm;
        let (ending, oom_kills) = (
            watch::Sender::new(None),
            watch::Sender::new(OOM_KILLS_BEFORE + self.early_oom_kills.load(Relaxed)),
        );
        let process = Arc::new(Process { ending, ignores_sigterm, oom_kills });
        self.processes.lock().unwrap().push(process.clone());
        self.ids.lock().unwrap().push(id.to_string());
        Held(process)
    }

    fn has_record(&self) -> Result<(), NodeError> {
        let gone = || NodeError::Call(CallError::NotFound("no record".into()));
        if self.recordless.load(Relaxed) { Err(gone()) } else { Ok(()) }
    }

    fn note(&self, call: &str, id: &AttemptId) {
        self.calls.lock().unwrap().push(format!("{call} {id}"));
    }
}

#[async_trait]
impl PodImages for Fake {
    async fn check(&self, container: &ContainerSpec) -> Result<ImageFacts, NodeError> {
        match container.image().as_str() {
            "bad" => {
                Err(NodeError::Invalid { field: "image".into(), reason: "is no image".into() })
            }
            image if image.contains("absent") => {
                Err(NodeError::Call(CallError::NoImage("not here".into())))
            }
            image => Ok(facts(image, image.contains("pulled"))),
        }
    }

    async fn check_volume_image(
        &self,
        _: &str,
        _: &str,
        image: &str,
    ) -> Result<VolumeSeen, NodeError> {
        Ok(match image.contains("absent") {
            true => VolumeSeen::Missing,
            false => VolumeSeen::Here { from_registry: false },
        })
    }

    async fn pull(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(ImageFacts, u64), PullError> {
        self.calls.lock().unwrap().push(format!("pull {}", wanted.image));
        progress.send_modify(|progress| progress.layers.clear());
        let mut endings = self.pulls.subscribe();
        let ending = endings.wait_for(|endings| !endings.is_empty()).await.map(drop);
        ending.map_err(|_| PullError::Failed("no more".into()))?;
        let ending = self.pulls.borrow().last().cloned().unwrap();
        if ending.is_err() {
            self.pulls.send_modify(|endings| drop(endings.pop()));
        }
        ending.map(|()| (facts(&wanted.image, true), 3))
    }

    async fn images(&self) -> Result<Vec<Stored>, NodeError> {
        Ok(Vec::new())
    }

    async fn unpack(&self, _: &str, _: SystemTime) -> Result<bool, NodeError> {
        Ok(false)
    }

    async fn remove_image(&self, name: &str) -> Result<String, NodeError> {
        self.calls.lock().unwrap().push(format!("remove image {name}"));
        Ok(name.to_owned())
    }
}

#[async_trait]
impl Attempts for Fake {
    async fn create(&self, creation: &StartRequest) -> Result<(), NodeError> {
        self.note("create", &creation.id);
        // Yields as a real call does, so that other tasks run.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn start(&self, creation: &StartRequest) -> Result<Box<dyn Task>, NodeError> {
        self.note("start", &creation.id);
        self.ping().await?;
        if let Some(error) = self.start_errors.lock().unwrap().pop() {
            return Err(error);
        }
        Ok(Box::new(self.born(&creation.id)))
    }

    async fn write_record(
        &self,
        _: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        self.ping().await?;
        self.has_record()?;
        *self.remembered.lock().unwrap() = Some((pod.clone(), memory.clone()));
        *self.kept.lock().unwrap() = None;
        Ok(())
    }

    async fn save_pending_record(
        &self,
        _: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        *self.kept.lock().unwrap() = Some((pod.clone(), memory.clone()));
        Ok(())
    }

    async fn delete_task(&self, id: &AttemptId) -> Result<(), NodeError> {
        self.note("reap", id);
        self.reap_errors.lock().unwrap().pop().map_or(Ok(()), Err)
    }

    async fn delete_attempt(&self, id: &AttemptId) -> Result<(), NodeError> {
        self.note("forget", id);
        Ok(())
    }

    async fn task(&self, id: &AttemptId) -> Result<FoundTask, NodeError> {
        let Some(answer) = self.answers.lock().unwrap().get(&id.to_string()).cloned() else {
            return Ok(FoundTask::None);
        };
        tokio::time::sleep(answer).await;
        self.ping().await?;
        if let Some(error) = self.task_errors.lock().unwrap().pop() {
            return Err(error);
        }
        Ok(FoundTask::Running(Box::new(self.born(id))))
    }

    async fn restore_record(&self, creation: &StartRequest) -> Result<(), NodeError> {
        self.note("restore", &creation.id);
        self.has_record()
    }

    async fn end_stray_task(&self, id: &AttemptId) -> Result<(), NodeError> {
        self.note("clear", id);
        Ok(())
    }

    async fn exit_evidence(&self, id: &AttemptId, with_log: bool) -> ExitEvidence {
        let log = if with_log { format!("log of {id}") } else { String::new() };
        ExitEvidence { log, ..ExitEvidence::default() }
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
impl Inventory for Fake {
    async fn survey(&self) -> Result<Survey, NodeError> {
        let sound = self.recorded.lock().unwrap().clone();
        Ok(Survey { sound, ..Survey::default() })
    }

    async fn ping(&self) -> Result<(), NodeError> {
        if self.away.load(Relaxed) {
            Err(NodeError::Call(CallError::Unavailable("away".into())))
        } else {
            Ok(())
        }
    }

    async fn task_states(&self) -> Result<Vec<(AttemptId, SeenTask)>, NodeError> {
        Ok(self.looks.lock().unwrap().clone())
    }
}

#[async_trait]
impl Environments for Fake {
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

    fn network(&self, _pod: &PodSpec) -> PodNetwork {
        assert!(!self.panics.swap(false, Relaxed), "on purpose");
        PodNetwork::default()
    }
}

#[async_trait]
impl Target for Held {
    fn tcp_socket(&self, _: SocketAddr) -> io::Result<tokio::net::TcpSocket> {
        tokio::net::TcpSocket::new_v4()
    }

    fn udp_socket(&self, _: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_file(&self, _: &Path, _: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn exec_turn(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    async fn exec(
        &self,
        _: &[String],
        _: Duration,
        _: Turn,
        _: ExecVia,
    ) -> Result<Executed, ExecError> {
        Err(ExecError::Failed("a fake runs no command".into()))
    }
}

#[async_trait]
impl Task for Held {
    fn pid(&self) -> u32 {
        7
    }

    fn process(&self) -> Option<Arc<crate::process::Process>> {
        None
    }

    fn signal(&self, signal: i32) -> io::Result<()> {
        if signal == 9 || !self.0.ignores_sigterm {
            self.0.ending.send_replace(Some(Ending::Signaled(signal as u8)));
        }
        Ok(())
    }

    async fn open(&self, _: &Order) -> Result<Session, SessionError> {
        Err(SessionError::Failed("commands are not run here".to_owned()))
    }

    fn shim_memory(&self) -> io::Result<u64> {
        Ok(1 << 20)
    }

    fn start_notes(&self) -> StartNotes {
        StartNotes::default()
    }

    fn oom_kills_before(&self) -> Option<u64> {
        Some(OOM_KILLS_BEFORE)
    }

    fn oom_kills(&self) -> Option<u64> {
        Some(*self.0.oom_kills.borrow())
    }

    async fn oom_killed(&self, seen: u64) -> Option<u64> {
        let mut kills = self.0.oom_kills.subscribe();
        tokio::select! {
            kills = kills.wait_for(|kills| *kills > seen) => kills.ok().map(|kills| *kills),
            _ = self.ended() => None,
        }
    }

    async fn ended(&self) -> Ending {
        let mut ending = self.0.ending.subscribe();
        let ended = ending.wait_for(Option::is_some).await;
        ended.ok().and_then(|ended| *ended).unwrap_or(Ending::Lost)
    }
}

/// A runtime without foreign containers.
pub(crate) struct Alone;

#[async_trait]
impl ForeignContainers for Alone {
    fn is_watched(&self, _: &str) -> bool {
        true
    }

    async fn foreign_containers(&self) -> Result<Vec<ForeignContainer>, NodeError> {
        Ok(Vec::new())
    }

    async fn foreign_container(
        &self,
        _: &ContainerRef,
    ) -> Result<Option<ForeignContainer>, NodeError> {
        Ok(None)
    }

    async fn output_of(&self, _: &ContainerRef) -> Result<Option<Stdio>, NodeError> {
        Ok(None)
    }

    async fn task_of(&self, _: &ContainerRef) -> Result<(Option<i32>, FoundTask), NodeError> {
        Ok((None, FoundTask::None))
    }

    async fn released(
        &self,
        _: &ContainerRef,
        _: &BTreeMap<String, String>,
    ) -> Result<(), NodeError> {
        Ok(())
    }

    async fn follow(
        &self,
        _: tokio::sync::mpsc::Sender<super::foreign_containers::News>,
    ) -> Result<(), NodeError> {
        Ok(())
    }
}
