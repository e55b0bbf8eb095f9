//! Probes and lifecycle hooks of a pod's containers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{EffectResult, Effects};
use crate::domain::Incarnation;
use crate::domain::container::InstanceEvent;
use crate::domain::probe::Launch;
use crate::domain::spec::{Handler, HookKind, PodSpec, ProbeKind};
use crate::node::{Node, Task};
use crate::prober::{Attempt, Prober};

pub struct ProbeEffects {
    prober: Arc<dyn Prober>,
    runtime: Arc<dyn Node>,
}

impl ProbeEffects {
    pub fn new(prober: Arc<dyn Prober>, runtime: Arc<dyn Node>) -> Self {
        Self { prober, runtime }
    }

    pub fn probe(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        (kind, launch): (ProbeKind, Launch),
        task: Arc<dyn Task>,
    ) {
        let attempt = self.attempt(effects.spec(), index, kind, task);
        let container = effects.spec().at(index);
        let handler = container.and_then(|it| Some(&it.probes.get(kind)?.handler));
        let is_command = matches!(handler, Some(Handler::Exec(_)));
        effects.spawn_probe(is_command, async move {
            // A probe that was removed meanwhile has no result.
            let Some(Attempt { outcome, latency }) = attempt.await else {
                return EffectResult::Nothing;
            };
            let event = InstanceEvent::Probed { kind, launch, outcome, latency }.of(incarnation);
            EffectResult::Event(index, event)
        });
    }

    /// Runs a probe once for a caller, which may have gone away by the time of the reply.
    pub fn run_once(
        &self,
        effects: &mut Effects,
        index: usize,
        kind: ProbeKind,
        task: Arc<dyn Task>,
        reply: oneshot::Sender<Attempt>,
    ) {
        let attempt = self.attempt(effects.spec(), index, kind, task);
        effects.spawn("run_probe", index, None, async move {
            if let Some(attempt) = attempt.await {
                let _ = reply.send(attempt);
            }
            EffectResult::Nothing
        });
    }

    fn attempt(
        &self,
        spec: &Arc<PodSpec>,
        index: usize,
        kind: ProbeKind,
        task: Arc<dyn Task>,
    ) -> impl Future<Output = Option<Attempt>> + use<> {
        let (spec, prober, ip) = (spec.clone(), self.prober.clone(), self.ip(spec));
        async move {
            let container = spec.at(index)?;
            let probe = container.probes.get(kind)?.aimed_at(ip.as_deref());
            Some(prober.attempt(task, container, &probe).await)
        }
    }

    pub fn run_hook(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        (kind, bound): (HookKind, Duration),
        task: Arc<dyn Task>,
    ) {
        let spec = effects.spec().clone();
        let (prober, ip) = (self.prober.clone(), self.ip(&spec));
        effects.spawn("run_hook", index, Some(incarnation), async move {
            let hook = spec.at(index).and_then(|c| Some((c, c.lifecycle.get(kind)?)));
            let result = match hook {
                Some((container, hook)) => {
                    let hook = hook.aimed_at(ip.as_deref());
                    prober.hook(task, container, &hook, bound).await
                }
                None => Ok(()),
            };
            if let Err(error) = &result {
                let hook = kind.as_str();
                tracing::warn!(hook, error, "a lifecycle hook failed");
            }
            EffectResult::Event(index, InstanceEvent::Hooked { kind, result }.of(incarnation))
        });
    }

    /// Returns the address of the pod for its probes; None without a network of its own.
    fn ip(&self, spec: &PodSpec) -> Option<String> {
        self.runtime.network(spec).probed_at(spec).map(str::to_owned)
    }
}
