//! The steps from a start request to a running process.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

use super::client::missing_is_fine;
use super::plan::Plan;
use super::records::{NewRecord, labelled};
use super::{Containerd, task};
use crate::domain::log::{Limits, OwnLimits};
use crate::domain::spec::Source;
use crate::logs;
use crate::logs::Order;
use crate::runtime::{AttemptId, Refusal, Runtime, RuntimeError, StartRequest, Task};
use probelet_oci as oci;

/// Pause while a start waits for the cleanup of an earlier daemon's start.
const LEFTOVER_STEP: Duration = Duration::from_millis(100);
const LEFTOVER_STEPS: u32 = 50;

/// The output's destination if no log can be written.
pub(super) const NOWHERE: &str = "file:///dev/null";

impl Containerd {
    /// Creates the record, which names the snapshot. If it exists, returns true and updates it if
    /// `renew` is set.
    pub(super) async fn record(
        &self,
        creation: &StartRequest,
        plan: Plan,
        renew: bool,
    ) -> Result<bool, RuntimeError> {
        let image = plan.image.as_ref().map(|(name, _)| name.clone());
        let new = NewRecord { creation, image, spec: plan.spec };
        match self.client.create_record(&new).await {
            Err(RuntimeError::AlreadyExists(_)) => {}
            other => return other.map(|()| false),
        }
        self.client.check_owner(creation).await?;
        if renew {
            self.client.renew(&new).await?;
        }
        Ok(true)
    }

    pub(super) async fn run(&self, creation: &StartRequest) -> Result<Box<dyn Task>, RuntimeError> {
        let id = creation.id.to_string();
        // A disk that is full or missing must not prevent the start, so the container runs without
        // a log.
        let no_log = self.make_log_files(creation).await.err();
        // The pod is connected first, since the plan depends on its network.
        self.connect_pod(&creation.pod).await?;
        let plan = self.plan(creation, no_log.is_none()).await?;
        let (chain, refused) = (plan.image.clone(), plan.refused.clone());
        let user = oci::user_of(&plan.spec);
        let image_volumes = plan.image_volumes.clone();
        let tried = self.record(creation, plan, true).await?;
        if let Some(why) = refused {
            return Err(RuntimeError::Config(why));
        }
        if tried {
            self.client.end_forgotten_shim(&id, self.cgroups_path(&creation.id)).await?;
        }
        if shares_names(creation) {
            self.clear_earlier(creation).await?;
        }
        self.hold_processes(&creation.pod).await?;
        if let Some(image) = &chain {
            self.make_files(&creation.pod).await?;
            if no_log.is_none() {
                self.make_message(creation).await?;
            }
            self.make_image_volumes(creation, image, &image_volumes).await?;
            self.make_volumes(creation, image_volumes).await?;
        }
        let own = creation.container().map(|container| container.log_limits).unwrap_or_default();
        let logger = match no_log {
            None => self.logger_of(&creation.id, own).await,
            Some(why) => Err(why),
        };
        let (logger, no_log) = match logger {
            Ok(logger) => (logger, None),
            Err(why) => (NOWHERE.to_owned(), Some(why)),
        };
        let mut tries = 0..LEFTOVER_STEPS;
        let mut clearings = 0..1;
        let process = loop {
            let mounts = match &chain {
                Some((name, chain_id)) => self.client.prepare(&id, name, chain_id).await?,
                None => Vec::new(),
            };
            match self.client.create_task(&id, mounts, &logger).await {
                // An earlier daemon's try got this far. Files that its process may have written are
                // removed.
                Err(RuntimeError::AlreadyExists(_)) if tries.next().is_some() => {
                    self.client.kill_and_delete_task(&id).await?;
                    missing_is_fine(self.client.remove_snapshot(&id).await)?;
                }
                // The earlier try was cut off before that, and containerd is about to clean up.
                Err(RuntimeError::Refused { .. }) if tries.next().is_some() => {
                    tokio::time::sleep(LEFTOVER_STEP).await;
                }
                // containerd died too, so nothing else removes the bundle.
                Err(RuntimeError::Refused { refusal: Refusal::BundleInTheWay(bundle), text })
                    if clearings.next().is_some() =>
                {
                    let cgroup = self.cgroups_path(&creation.id);
                    self.client.clear_bundle(&id, cgroup, &bundle, &text).await?;
                }
                other => break other?,
            }
        };
        let (client, execs) = (self.client.clone(), self.execs.clone());
        // The OOM counter must exist before the process can run out of memory.
        let task = task::ContainerdTask::new(id, process, client, execs, self.ooms.hints());
        let task = task.without_log(no_log).running_as(user);
        if let Err(error) = self.client.start_task(task.id()).await {
            self.client.clear_task(task.id()).await;
            return Err(error);
        }
        Ok(Box::new(task))
    }

    /// Deletes the ended tasks of earlier attempts. It runs before the start, since runc's delete
    /// runs the last hooks and kills everything in the cgroup that the spec names, the next attempt
    /// too.
    async fn clear_earlier(&self, creation: &StartRequest) -> Result<(), RuntimeError> {
        for record in self.records_of(&creation.pod.uid).await? {
            let Ok(id) = labelled(&record) else { continue };
            if id.container == creation.id.container && id.attempt < creation.id.attempt {
                let _turn = self.locks.lock(&record.id).await;
                self.client.delete_task(&record.id).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn logger_of(&self, id: &AttemptId, own: OwnLimits) -> Result<String, String> {
        let (program, folder) = (self.logger.clone(), self.logger_sockets());
        let made = tokio::task::spawn_blocking(move || {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            program.path()
        });
        let failed = |error: &dyn std::fmt::Display| format!("program of the logger: {error}");
        let program =
            made.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let path = self.log_path(id);
        let socket = Some(logs::socket(&self.logger_sockets(), &path));
        let Limits { size, files } = self.log_limits.with(own);
        let order = Order { path, limits: logs::format::Limits { size, files }, socket };
        Ok(order.uri(&program))
    }

    async fn make_log_files(&self, creation: &StartRequest) -> Result<(), String> {
        if let Some(folder) = self.log_path(&creation.id).parent() {
            let failed = |error| format!("log folder {}: {error}", folder.display());
            let folder = folder.to_owned();
            let made = tokio::task::spawn_blocking(move || logs::make_folders(&folder)).await;
            made.map_err(io::Error::other).and_then(|made| made).map_err(failed)?;
        }
        Ok(())
    }
}

/// True if a name of the container, such as its cgroup's, is the same in each attempt.
fn shares_names(creation: &StartRequest) -> bool {
    creation.container().is_some_and(|container| match &container.source {
        Source::Bundle { oci_spec, .. } => oci::shares_names(oci_spec),
        Source::Image(_) | Source::Adopted(_) => false,
    })
}
