//! The network of a pod. That of a pod which an earlier daemon connected is checked, and set up
//! again if it is broken.

use std::sync::Arc;

use super::{EffectResult, Effects};
use crate::domain::link::retry_after;
use crate::domain::network::PodNetwork;
use crate::domain::spec::PodSpec;
use crate::node::{Node, NodeError};

pub struct NetworkEffects {
    runtime: Arc<dyn Node>,
}

impl NetworkEffects {
    pub fn new(runtime: Arc<dyn Node>) -> Self {
        Self { runtime }
    }

    /// Returns the network as the last operation left it.
    pub fn current(&self, spec: &PodSpec) -> PodNetwork {
        self.runtime.network(spec)
    }

    /// Stops waiting for the plugins that connect a pod, since it is about to be removed.
    pub fn cancel_setup(&self, spec: &PodSpec) {
        self.runtime.give_up_network(spec);
    }

    pub fn check(&self, effects: &mut Effects) {
        let (spec, runtime) = (effects.spec().clone(), self.runtime.clone());
        effects.spawn_for_pod("check_network", async move {
            match runtime.check_network(&spec).await {
                Ok(()) => EffectResult::Nothing,
                Err(NodeError::Network(why)) => EffectResult::NetworkBroken(why),
                Err(error) => {
                    tracing::warn!(%error, "the network could not be checked");
                    EffectResult::Nothing
                }
            }
        });
    }

    /// Sets the network up again, after the back-off of that many failures.
    pub fn reconnect(&self, effects: &mut Effects, failures: u32) {
        let (spec, runtime) = (effects.spec().clone(), self.runtime.clone());
        effects.spawn_for_pod("reconnect", async move {
            if failures > 0 {
                tokio::time::sleep(retry_after(failures)).await;
            }
            let result = runtime.reconnect(&spec).await;
            EffectResult::Reconnected(failures, result.map_err(|error| error.to_string()))
        });
    }
}
