//! A process as the daemon has it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::sync::Semaphore;

use super::*;
use crate::domain::spec::ExecVia;
use crate::node::session::{Order, Session, SessionError};
use crate::node::{ExecError, Executed, StartNotes, Target, Turn};
use crate::process::Process;

#[async_trait]
impl Target for SimulatedTask {
    fn tcp_socket(&self, _: SocketAddr) -> io::Result<tokio::net::TcpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn udp_socket(&self, _: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Returns the pid for each path, by which the prober finds the process that it probes.
    fn read_file(&self, _: &Path, _: usize) -> io::Result<Vec<u8>> {
        Ok(self.1.pid.to_string().into_bytes())
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
        Err(ExecError::Failed("it runs no command".into()))
    }
}

#[async_trait]
impl Task for SimulatedTask {
    fn pid(&self) -> u32 {
        self.1.pid
    }

    fn process(&self) -> Option<Arc<Process>> {
        None
    }

    fn signal(&self, signal: i32) -> io::Result<()> {
        let ending = Ending::Signaled(u8::try_from(signal).unwrap());
        self.0.kill(&self.1, ending, "a signal");
        Ok(())
    }

    async fn open(&self, _: &Order) -> Result<Session, SessionError> {
        Err(SessionError::Failed("it runs no command".to_owned()))
    }

    fn shim_memory(&self) -> io::Result<u64> {
        Ok(1 << 20)
    }

    fn start_notes(&self) -> StartNotes {
        StartNotes::default()
    }

    fn oom_kills_before(&self) -> Option<u64> {
        None
    }

    fn oom_kills(&self) -> Option<u64> {
        None
    }

    async fn oom_killed(&self, _: u64) -> Option<u64> {
        self.ended().await;
        None
    }

    async fn ended(&self) -> Ending {
        let mut ending = self.1.ending.subscribe();
        let ended = ending.wait_for(Option::is_some).await;
        ended.ok().and_then(|ended| *ended).unwrap_or(Ending::Lost)
    }
}
