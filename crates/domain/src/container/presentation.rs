//! Published status of a container. An instance is published, and counted as a restart, once it has
//! begun: its process runs and its postStart hook is over, or its start has failed. Until then the
//! previous state stays, as with the kubelet, which observes only the result of a start.

use super::Wanted;
use super::condemnation::Condemnation;
use super::ending::REMOVED;
use super::instance::{Instance, PostStart};
use super::life::Life;
use super::member::Member;
use super::phase::Phase;
use super::probing::Levels;
use crate::Incarnation;
use crate::exit::{Cause, Terminated};
use crate::restart;
use crate::spec::{HookKind, Role};
use crate::status::{ContainerState, ContainerStatus, Stage, WaitingReason};

/// A state, and the last state that goes with it.
pub type Shown = (ContainerState, Option<Terminated>);

/// Makes the status of a container.
pub struct Presentation<'a> {
    life: &'a Life,
}

impl<'a> Presentation<'a> {
    pub fn of(life: &'a Life) -> Self {
        Self { life }
    }

    pub fn status(&self) -> ContainerStatus {
        let Life { definition, course, phase, pause, .. } = self.life;
        let instance = phase.process();
        let condemnation = instance.and_then(|instance| instance.condemnation.as_ref());
        let (state, last_state) = self.shown();
        let spec = &definition.spec;
        let levels = self.levels();
        ContainerStatus {
            name: spec.name.clone(),
            attempt: course.attempt,
            instance: self.instance(),
            stage: self.stage(),
            ready: match definition.role() {
                Role::Init => Member::of(self.life).has_succeeded(),
                Role::Sidecar | Role::Regular => levels.ready,
            },
            started: levels.started,
            restart_count: course.restart_count.saturating_sub(u32::from(!self.has_begun())),
            image: spec.image(),
            image_id: course.image.id.clone(),
            container_id: course.container_id.clone(),
            user: course.user.clone(),
            pid: instance.and(course.pid),
            state,
            last_state,
            history: course.history.clone(),
            probes: instance.map(|instance| instance.probing.statuses()).unwrap_or_default(),
            next_try: phase.wait().and_then(|wait| wait.restart_at),
            given_up: course.given_up,
            paused_until: pause.until_wall,
            shim: instance.and_then(|instance| instance.shim.memory()),
            kill_held: condemnation.and_then(Condemnation::kill_held),
        }
    }

    /// Levels of the instance whose state is published.
    fn levels(&self) -> Levels {
        let Life { phase, replaced, .. } = self.life;
        match phase {
            Phase::CheckingImages | Phase::Pulling | Phase::Starting => {
                replaced.unwrap_or_default()
            }
            Phase::Running(instance) | Phase::Stopping(instance, _) => instance.published_levels(),
            Phase::Created | Phase::Waiting(_) | Phase::Ended => Levels::default(),
        }
    }

    pub fn shown(&self) -> Shown {
        let Life { mandate, course, phase, .. } = self.life;
        let last = || course.last_state.clone();
        match phase {
            Phase::Created if mandate.held => self.queued(),
            Phase::Created => (waiting(WaitingReason::Created, "not started yet"), None),
            Phase::CheckingImages | Phase::Pulling | Phase::Starting => self.shown_before(),
            Phase::Waiting(wait) => {
                let last = course.ended.as_ref().or(course.last_state.as_ref());
                (waiting(wait.reason, &wait.message), last.cloned())
            }
            Phase::Running(instance) | Phase::Stopping(instance, _) => {
                match instance.post_start() {
                    PostStart::Over => {
                        (ContainerState::Running { started_at: instance.started_at }, last())
                    }
                    PostStart::Running => self.shown_before(),
                    PostStart::Failed => {
                        (hook_error(phase.stop().map(|stop| &stop.record().cause)), last())
                    }
                }
            }
            Phase::Ended => match &course.ended {
                Some(ended) if self.is_stopped_before_restart(ended) => {
                    let message = "the container was stopped while it waited for its restart";
                    (waiting(WaitingReason::Stopped, message), Some(ended.clone()))
                }
                Some(ended) => (ContainerState::Terminated(ended.clone()), last()),
                None => (waiting(WaitingReason::Stopped, "not started"), last()),
            },
        }
    }

    /// State that stays published after the end of an instance until the next one has begun.
    pub fn shown_while_it_starts(&self) -> Shown {
        match self.shown() {
            (ContainerState::Terminated(ended), last) => after(ended, last),
            other => other,
        }
    }

    /// State of a container that waits for its order in the pod. The end of an earlier round is its
    /// last state.
    fn queued(&self) -> Shown {
        let Life { definition, mandate, course, .. } = self.life;
        if mandate.wanted != Wanted::Running {
            let state = match &course.ended {
                Some(ended) => ContainerState::Terminated(ended.clone()),
                None => waiting(WaitingReason::Created, "not started yet"),
            };
            return (state, course.last_state.clone());
        }
        let last = course.ended.as_ref().or(course.last_state.as_ref());
        let restarts = last.is_some_and(|last| last.cause == Cause::AllRestart);
        let state = match restarts || self.life.calls_for_all() {
            true => waiting(WaitingReason::RestartingAllContainers, REMOVED),
            false => waiting(definition.creating(), ""),
        };
        (state, last.cloned())
    }

    /// True if a restart would follow this end, had a caller not stopped the container while it
    /// waited. The state is then `Waiting`, because `Terminated` would show only the cause of the
    /// end.
    fn is_stopped_before_restart(&self, ended: &Terminated) -> bool {
        let Life { definition, mandate, course, .. } = self.life;
        let by_itself = !matches!(ended.cause, Cause::Operator(_) | Cause::AllRestart);
        mandate.wanted == Wanted::Stopped
            && by_itself
            && !(course.given_up || mandate.is_over())
            && !Member::of(self.life).is_stopped_by_probe()
            && restart::follows(&definition.pod, &definition.spec, ended)
    }

    fn shown_before(&self) -> Shown {
        let Life { definition, course, before, .. } = self.life;
        match (before, &course.last_state) {
            (Some(before), _) => before.clone(),
            (None, None) => (waiting(definition.creating(), ""), None),
            // An earlier daemon published the end.
            (None, Some(ended)) => {
                let mut older = course.history.iter();
                let older = older.find(|older| older.attempt < ended.attempt).cloned();
                after(ended.clone(), older)
            }
        }
    }

    /// True once the newest attempt has begun, or its start has failed.
    fn has_begun(&self) -> bool {
        let Life { course, phase, .. } = self.life;
        let is_shown = phase.process().is_none_or(Instance::has_begun);
        course.ended.is_some() || course.started_at.is_some() && is_shown
    }

    fn instance(&self) -> Incarnation {
        let course = &self.life.course;
        let has_begun = course.ended.is_some() || course.started_at.is_some();
        let last = course.last_state.as_ref().filter(|_| !has_begun);
        last.map_or(course.attempt, |last| last.attempt)
    }

    fn stage(&self) -> Stage {
        let Life { mandate, course, phase, .. } = self.life;
        match phase {
            Phase::Created if mandate.held && mandate.wanted == Wanted::Running => Stage::Queued,
            Phase::Created => Stage::Idle,
            Phase::CheckingImages | Phase::Pulling | Phase::Starting => Stage::Starting,
            // In the kubelet, the setup of the network is part of a start.
            Phase::Waiting(wait) if wait.reason == WaitingReason::ContainerCreating => {
                Stage::Starting
            }
            Phase::Waiting(_) => Stage::Waiting,
            Phase::Running(_) | Phase::Stopping(..) => Stage::Running,
            Phase::Ended if course.ended.is_none() => Stage::Idle,
            Phase::Ended => Stage::Over,
        }
    }
}

/// State after an end. A failed postStart hook is a failed start, whose error is the reason of the
/// waiting state, as in the kubelet.
fn after(ended: Terminated, older: Option<Terminated>) -> Shown {
    match &ended.cause {
        cause @ Cause::Hook { kind: HookKind::PostStart, .. } => {
            (hook_error(Some(cause)), Some(ended))
        }
        _ => (ContainerState::Terminated(ended), older),
    }
}

fn hook_error(cause: Option<&Cause>) -> ContainerState {
    let message = cause.map(Cause::to_string).unwrap_or_default();
    waiting(WaitingReason::PostStartHookError, &message)
}

fn waiting(reason: WaitingReason, message: &str) -> ContainerState {
    ContainerState::Waiting { reason, message: message.into() }
}
