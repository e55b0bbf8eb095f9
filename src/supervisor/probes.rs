//! Changes to a live pod: its spec, its probes, pauses, single probe runs, conditions.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::actor::Request;
use super::{Applied, PodView, Supervisor, SupervisorError, timed_out};
use crate::domain::container::Event;
use crate::domain::spec::{Change, PodSpec, ProbeKind, Probes, SetCondition, Validated};
use crate::prober::Attempt;

/// The deadline for an actor to publish a change. It awaits nothing, so this is generous.
const SHOWN: Duration = Duration::from_secs(10);
/// The time beyond a probe's timeout that a run may take: over three times the limit of the exec
/// queue.
const QUEUE: Duration = Duration::from_secs(100);

impl Supervisor {
    /// Gives a live pod another spec if a live pod can change all fields that differ.
    pub(super) async fn configure(
        &self,
        spec: Validated<PodSpec>,
    ) -> Result<(PodView, Applied), SupervisorError> {
        let _turn = self.changing.lock().await;
        // The pod is read under the lock, because another change may have been in progress.
        let view = self.get(&spec.name)?;
        self.change(view, spec).await
    }

    /// Replaces the container's probes with exactly these, without a restart.
    pub async fn update_probes(
        &self,
        name: &str,
        container: &str,
        probes: Probes,
    ) -> Result<PodView, SupervisorError> {
        let _turn = self.changing.lock().await;
        self.not_kept(name)?;
        let index = self.with(name, |handle| handle.index(name, container))??;
        let view = self.get(name)?;
        let mut spec = PodSpec::clone(&view.spec);
        if let Some(container) = spec.at_mut(index) {
            container.probes = probes;
        }
        self.change(view, spec.validate()?).await.map(|(view, _)| view)
    }

    async fn change(
        &self,
        view: PodView,
        spec: Validated<PodSpec>,
    ) -> Result<(PodView, Applied), SupervisorError> {
        let spec = spec.into_inner().in_place_of(&view.spec);
        match view.spec.change_to(&spec) {
            Change::None => return Ok((view, Applied::Unchanged)),
            Change::Fixed(fields) => {
                return Err(SupervisorError::Differs { pod: spec.name.clone(), fields });
            }
            Change::Live => {}
        }
        Ok((self.respec(spec).await?, Applied::Configured))
    }

    /// Sets a condition of the pod that probelet does not decide, such as a readiness gate.
    pub async fn set_condition(
        &self,
        name: &str,
        kind: &str,
        set: SetCondition,
    ) -> Result<PodView, SupervisorError> {
        let _turn = self.changing.lock().await;
        let view = self.get(name)?;
        let spec = view.spec.with_condition(kind, set)?;
        if spec == *view.spec { Ok(view) } else { self.respec(spec).await }
    }

    /// Sends a live pod its changed spec, and waits until its view shows it.
    pub(super) async fn respec(&self, spec: PodSpec) -> Result<PodView, SupervisorError> {
        let (name, spec) = (spec.name.clone(), Arc::new(spec));
        self.with(&name, |handle| handle.send(&name, Request::Respec(spec.clone())))??;
        self.wait(&name, "change", SHOWN, |view| Arc::ptr_eq(&view.spec, &spec)).await
    }

    /// Pauses the probes of the container (of all, if the name is empty) for `length`.
    pub fn pause(
        &self,
        name: &str,
        container: &str,
        length: Duration,
    ) -> Result<(), SupervisorError> {
        self.tell_all(name, container, &Event::Pause { length })
    }

    /// Ends a pause early.
    pub fn resume_probes(&self, name: &str, container: &str) -> Result<(), SupervisorError> {
        self.tell_all(name, container, &Event::Resume)
    }

    fn tell_all(&self, name: &str, container: &str, event: &Event) -> Result<(), SupervisorError> {
        self.with(name, |handle| {
            let only =
                (!container.is_empty()).then(|| handle.index(name, container)).transpose()?;
            let all = 0..handle.view.borrow().spec.count();
            for index in all.filter(|index| only.is_none_or(|only| only == *index)) {
                handle.send(name, Request::Tell(index, event.clone()))?;
            }
            Ok(())
        })?
    }

    /// Runs a probe of the running instance once, now. No counter changes.
    pub async fn run_probe(
        &self,
        name: &str,
        container: &str,
        kind: ProbeKind,
    ) -> Result<Attempt, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let (container, timeout) = self.with(name, |handle| {
            let index = handle.index(name, container)?;
            let spec = handle.view.borrow().spec.clone();
            let probe = spec.at(index).and_then(|c| Some((c, c.probes.get(kind)?)));
            let Some((container, probe)) = probe else {
                let (pod, container) = (name.to_owned(), container.to_owned());
                return Err(SupervisorError::NoProbe { pod, container, kind: kind.lower() });
            };
            handle.send(name, Request::RunProbe(index, kind, reply))?;
            Ok((container.name.clone(), probe.timeout))
        })??;
        let bound = timeout.saturating_add(QUEUE);
        match tokio::time::timeout(bound, answer).await {
            Ok(Ok(attempt)) => Ok(attempt),
            Ok(Err(_)) => Err(SupervisorError::NotRunning { pod: name.to_owned(), container }),
            Err(_) => Err(timed_out(name, "the probe's end", bound)),
        }
    }
}
