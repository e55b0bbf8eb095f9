//! Finds a running process of a pod, whose namespaces can be used again.

use probelet_runtime::{CallError, Namespace, TaskStatus};

use super::attempt_records::AttemptRecords;
use crate::process::Process;

#[derive(Debug, Clone)]
pub struct RunningTasks {
    records: AttemptRecords,
    namespace: Namespace,
}

impl RunningTasks {
    pub fn new(records: AttemptRecords, namespace: Namespace) -> Self {
        Self { records, namespace }
    }

    /// Returns the init process of a running task of the pod, if it has one.
    pub async fn of_pod(&self, uid: &str) -> Result<Option<Process>, CallError> {
        for record in self.records.of_pod(uid).await? {
            if let Some(process) = self.open(&record.id).await? {
                return Ok(Some(process));
            }
        }
        Ok(None)
    }

    /// Opens the task's process. It is certainly the task's, which had this pid before and after.
    async fn open(&self, id: &str) -> Result<Option<Process>, CallError> {
        let Some(pid) = self.pid_of(id).await? else { return Ok(None) };
        let Ok(process) = Process::open(pid) else { return Ok(None) };
        Ok((self.pid_of(id).await? == Some(pid)).then_some(process))
    }

    async fn pid_of(&self, id: &str) -> Result<Option<u32>, CallError> {
        match self.namespace.tasks.state(id).await {
            Ok(state) => Ok((state.status == TaskStatus::Running).then_some(state.pid)),
            Err(CallError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
