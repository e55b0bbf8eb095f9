//! Writes of the records of a pod's containers.

use std::sync::Arc;

use tokio::sync::watch;

use super::{EffectResult, Effects};
use crate::domain::Incarnation;
use crate::domain::container::{Memory, Wanted};
use crate::domain::link::{Link, retry_after};
use crate::domain::spec::PodSpec;
use crate::node::{AttemptId, Node, NodeError};

pub struct RecordEffects {
    runtime: Arc<dyn Node>,
    link: watch::Receiver<Link>,
}

impl RecordEffects {
    pub fn new(runtime: Arc<dyn Node>, link: watch::Receiver<Link>) -> Self {
        Self { runtime, link }
    }

    pub fn is_runtime_up(&self) -> bool {
        self.link.borrow().up
    }

    /// Writes the record, or a pending record if the write fails.
    pub fn write(&self, effects: &mut Effects, index: usize, memory: Memory) {
        let (id, runtime) = (effects.id(index, memory.attempt), self.runtime.clone());
        let spec = effects.spec().clone();
        effects.spawn("write_record", index, Some(memory.attempt), async move {
            let written = runtime.write_record(&id, &spec, &memory).await;
            // A removed container needs no record.
            let needed = memory.wanted != Wanted::Removed
                || !written.as_ref().is_err_and(NodeError::is_not_found);
            if written.is_err() && needed {
                save_pending(&*runtime, &id, &spec, &memory).await;
            }
            EffectResult::Written(index, memory.attempt, written)
        });
    }

    /// Writes a pending record, while the write of the record waits for its retry.
    pub fn save_pending(&self, effects: &mut Effects, index: usize, memory: Memory) {
        let (id, runtime) = (effects.id(index, memory.attempt), self.runtime.clone());
        let spec = effects.spec().clone();
        effects.spawn("save_pending_record", index, Some(memory.attempt), async move {
            save_pending(&*runtime, &id, &spec, &memory).await;
            EffectResult::PendingSaved(index)
        });
    }

    /// Waits for the retry of a write: for the back-off, or until the runtime is back.
    pub fn await_retry(&self, effects: &mut Effects, index: usize, failures: u32) {
        let mut link = self.link.clone();
        effects.spawn("await_write", index, None, async move {
            tokio::select! {
                () = tokio::time::sleep(retry_after(failures)) => {}
                () = returned(&mut link) => {}
            }
            EffectResult::WriteDue(index)
        });
    }

    /// Writes a record that another client deleted.
    pub fn restore(
        &self,
        effects: &mut Effects,
        index: usize,
        attempt: Incarnation,
        memory: Memory,
    ) {
        let request = effects.start_request(index, attempt, memory);
        let runtime = self.runtime.clone();
        effects.spawn("restore_record", index, Some(attempt), async move {
            match runtime.restore_record(&request).await {
                Ok(()) => EffectResult::Restored(index, attempt),
                // The next reconciliation finds the record missing again.
                Err(error) => {
                    tracing::warn!(%error, "a missing record is not restored yet");
                    EffectResult::Nothing
                }
            }
        });
    }
}

/// Writes a pending record. If that fails too, the state is lost when the daemon ends.
async fn save_pending(runtime: &dyn Node, id: &AttemptId, spec: &PodSpec, memory: &Memory) {
    if let Err(error) = runtime.save_pending_record(id, spec, memory).await {
        tracing::warn!(%id, %error, "the pending record is not written either");
    }
}

/// Completes when the runtime was lost and answers again.
async fn returned(link: &mut watch::Receiver<Link>) {
    let lost = link.wait_for(|link| !link.up).await.is_ok();
    if !lost || link.wait_for(|link| link.up).await.is_err() {
        std::future::pending::<()>().await;
    }
}
