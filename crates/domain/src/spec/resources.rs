//! What a container asks of CPU and memory, and what the kubelet makes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, PodSpec, Role};

/// Requests are there wherever limits are: Kubernetes fills them in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Amounts that the container is promised.
    pub requests: Amounts,
    /// Amounts that the container cannot exceed.
    pub limits: Amounts,
}

/// Amounts of resources; each one is optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Amounts {
    /// Thousandths of a core.
    pub cpu: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes by the size of a page, as in `hugepages-2Mi`.
    pub huge_pages: BTreeMap<u64, u64>,
    /// Bytes on disks: only kept, nothing here counts them.
    pub ephemeral_storage: Option<u64>,
}

impl Amounts {
    /// Returns whether no amount is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Kubernetes' quality-of-service class of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QosClass {
    /// Every container has CPU and memory limits, and its requests equal them.
    Guaranteed,
    /// Some container has a CPU or memory request or limit, but the pod is not `Guaranteed`.
    Burstable,
    /// No container has a CPU or memory request or limit.
    BestEffort,
}

impl QosClass {
    /// The class as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

const MIN_SHARES: u64 = 2;
const MAX_SHARES: u64 = 262_144;
const SHARES_OF_A_CORE: u64 = 1024;
const MILLIS: u64 = 1000;
/// Microseconds.
pub const QUOTA_PERIOD: u64 = 100_000;
const MIN_QUOTA: u64 = 1000;

impl Resources {
    /// The cgroup's `cpu.shares`, of which runc makes a weight on cgroup v2.
    pub fn cpu_shares(&self) -> u64 {
        let millis = self.requests.cpu.or(self.limits.cpu).unwrap_or_default();
        (millis.saturating_mul(SHARES_OF_A_CORE) / MILLIS).clamp(MIN_SHARES, MAX_SHARES)
    }

    /// Microseconds in each [`QUOTA_PERIOD`]; `None` without a limit.
    pub fn cpu_quota(&self) -> Option<u64> {
        let millis = self.limits.cpu.filter(|millis| *millis > 0)?;
        Some((millis.saturating_mul(QUOTA_PERIOD) / MILLIS).max(MIN_QUOTA))
    }

    /// Memory limit in bytes; `None` without a limit, which 0 means too.
    pub fn memory_limit(&self) -> Option<u64> {
        self.limits.memory.filter(|bytes| *bytes > 0)
    }
}

/// What the kubelet leaves of the kernel's range of -1000 to 1000.
const GUARANTEED: i64 = -997;
const BEST_EFFORT: i64 = 1000;
const LEAST_BURSTABLE: i64 = 3;

impl PodSpec {
    /// As Kubernetes shows it in a pod's status.
    pub fn qos_class(&self) -> QosClass {
        let amounts = |r: &Resources| [r.requests.clone(), r.limits.clone()];
        let is_set = |amount: Option<u64>| amount.is_some_and(|amount| amount > 0);
        let mut all = self.all().flat_map(|container| amounts(&container.resources));
        if !all.any(|amounts| is_set(amounts.cpu) || is_set(amounts.memory)) {
            return QosClass::BestEffort;
        }
        let is_full = |container: &ContainerSpec| {
            let Resources { requests, limits } = &container.resources;
            let both = is_set(limits.cpu) && is_set(limits.memory);
            both && requests.cpu == limits.cpu && requests.memory == limits.memory
        };
        if self.all().all(is_full) { QosClass::Guaranteed } else { QosClass::Burstable }
    }

    /// Who the kernel kills first when `capacity`, the machine's memory, is used up.
    pub fn oom_score_adj(&self, container: &ContainerSpec, capacity: u64) -> i64 {
        match self.qos_class() {
            QosClass::Guaranteed => GUARANTEED,
            QosClass::BestEffort => BEST_EFFORT,
            QosClass::Burstable => {
                let request = self.memory_that_counts(container);
                let thousandths = request.saturating_mul(1000) / capacity.max(1);
                let adj = BEST_EFFORT - i64::try_from(thousandths).unwrap_or(BEST_EFFORT);
                adj.clamp(LEAST_BURSTABLE, BEST_EFFORT - 1)
            }
        }
    }

    /// A sidecar must not go before those that it serves.
    fn memory_that_counts(&self, container: &ContainerSpec) -> u64 {
        let request = |c: &ContainerSpec| c.resources.requests.memory.unwrap_or_default();
        let least = self.containers.iter().map(request).min().unwrap_or_default();
        match self.role_of(&container.name) {
            Role::Sidecar => request(container).max(least),
            Role::Init | Role::Regular => request(container),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{RestartPolicy, sample};

    fn amounts(cpu: Option<u64>, memory: Option<u64>) -> Amounts {
        Amounts { cpu, memory, ..Amounts::default() }
    }

    fn pod(all: &[(Amounts, Amounts)]) -> PodSpec {
        let mut pod = sample::pod();
        let template = pod.containers.remove(0);
        for (index, (requests, limits)) in all.iter().enumerate() {
            let resources = Resources { requests: requests.clone(), limits: limits.clone() };
            let name = format!("c{index}");
            pod.containers.push(ContainerSpec { name, resources, ..template.clone() });
        }
        pod
    }

    #[test]
    fn shares_and_quota_are_the_kubelets() {
        let shares = |request, limit| {
            let (requests, limits) = (amounts(request, None), amounts(limit, None));
            Resources { requests, limits }.cpu_shares()
        };
        for (request, limit, expected) in [
            (None, None, 2),
            (Some(0), Some(2000), 2),
            (Some(1), None, 2),
            (Some(100), None, 102),
            (None, Some(500), 512),
            (Some(1000), None, 1024),
            (Some(1_000_000), None, 262_144),
        ] {
            assert_eq!(shares(request, limit), expected, "{request:?} {limit:?}");
        }
        let quota = |limit| Resources { limits: amounts(limit, None), ..Default::default() };
        for (limit, expected) in [
            (None, None),
            (Some(0), None),
            (Some(1), Some(1000)),
            (Some(5), Some(1000)),
            (Some(250), Some(25_000)),
            (Some(2000), Some(200_000)),
        ] {
            assert_eq!(quota(limit).cpu_quota(), expected, "{limit:?}");
        }
    }

    #[test]
    fn the_class_is_that_of_the_least_sure_container() {
        let none = (amounts(None, None), amounts(None, None));
        let full = (amounts(Some(100), Some(1)), amounts(Some(100), Some(1)));
        let some = (amounts(Some(100), None), amounts(None, None));
        let uneven = (amounts(Some(50), Some(1)), amounts(Some(100), Some(1)));
        for (all, expected) in [
            (vec![none.clone()], QosClass::BestEffort),
            (vec![full.clone(), full.clone()], QosClass::Guaranteed),
            (vec![full.clone(), none.clone()], QosClass::Burstable),
            (vec![some], QosClass::Burstable),
            (vec![uneven], QosClass::Burstable),
        ] {
            assert_eq!(pod(&all).qos_class(), expected, "{all:?}");
        }
    }

    #[test]
    fn the_oom_score_goes_by_class_and_request() {
        let score = |requests: Amounts, limits: Amounts| {
            let pod = pod(&[(requests, limits)]);
            pod.oom_score_adj(&pod.containers[0], 8_000_000_000)
        };
        let none = || amounts(None, None);
        assert_eq!(score(none(), none()), 1000);
        assert_eq!(score(amounts(Some(1), Some(1)), amounts(Some(1), Some(1))), -997);
        assert_eq!(score(amounts(None, Some(4_000_000_000)), none()), 500);
        assert_eq!(score(amounts(None, Some(1)), none()), 999);
        assert_eq!(score(amounts(None, Some(9_000_000_000)), none()), 3);
    }

    #[test]
    fn a_sidecar_counts_as_much_as_the_least_of_those_it_serves() {
        let mut pod = pod(&[(amounts(None, Some(500)), amounts(None, None))]);
        let mut sidecar = pod.containers[0].clone();
        sidecar.name = "side".into();
        sidecar.restart_policy = Some(RestartPolicy::Always);
        sidecar.resources.requests.memory = Some(100);
        pod.init_containers.push(sidecar.clone());
        assert_eq!(pod.oom_score_adj(&sidecar, 1000), 500);
    }
}
