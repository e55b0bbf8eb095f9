//! Requests and limits of a container, and the kubelet's cgroup values, QoS class and OOM score
//! that follow from them.

use std::collections::BTreeMap;

use super::{ContainerSpec, PodSpec, Role};

/// Requests and limits of a container; Kubernetes' `ResourceRequirements`. A manifest with a limit
/// and no request gets a request equal to the limit, as in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// Amounts that the container is promised.
    pub requests: Amounts,
    /// Amounts that the container cannot exceed.
    pub limits: Amounts,
}

/// Amounts of resources; each one is optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amounts {
    /// CPU time in thousandths of a core.
    pub cpu: Option<u64>,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Bytes of huge pages by the size of a page, as in `hugepages-2Mi`.
    pub huge_pages: BTreeMap<u64, u64>,
    /// Disk space in bytes. It is stored and has no effect.
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
/// Period of the CPU quota in microseconds, as in the kubelet.
pub const QUOTA_PERIOD: u64 = 100_000;
const MIN_QUOTA: u64 = 1000;

impl Resources {
    /// Returns `cpu.shares` of the cgroup, which runc converts into a weight on cgroup v2.
    pub fn cpu_shares(&self) -> u64 {
        let millis = self.requests.cpu.or(self.limits.cpu).unwrap_or_default();
        (millis.saturating_mul(SHARES_OF_A_CORE) / MILLIS).clamp(MIN_SHARES, MAX_SHARES)
    }

    /// Returns the CPU time in microseconds for each [`QUOTA_PERIOD`]; `None` without a limit.
    pub fn cpu_quota(&self) -> Option<u64> {
        let millis = self.limits.cpu.filter(|millis| *millis > 0)?;
        Some((millis.saturating_mul(QUOTA_PERIOD) / MILLIS).max(MIN_QUOTA))
    }

    /// Returns the memory limit in bytes; `None` without a limit or with a limit of 0.
    pub fn memory_limit(&self) -> Option<u64> {
        self.limits.memory.filter(|bytes| *bytes > 0)
    }
}

/// The kubelet's values of `oom_score_adj`, which the kernel takes from -1000 to 1000.
const GUARANTEED: i64 = -997;
const BEST_EFFORT: i64 = 1000;
const LEAST_BURSTABLE: i64 = 3;

impl QosClass {
    /// Returns the QoS class of the pod, as in Kubernetes' status.
    pub fn of(pod: &PodSpec) -> Self {
        let amounts = |r: &Resources| [r.requests.clone(), r.limits.clone()];
        let is_set = |amount: Option<u64>| amount.is_some_and(|amount| amount > 0);
        let mut all = pod.all().flat_map(|container| amounts(&container.resources));
        if !all.any(|amounts| is_set(amounts.cpu) || is_set(amounts.memory)) {
            return Self::BestEffort;
        }
        let is_full = |container: &ContainerSpec| {
            let Resources { requests, limits } = &container.resources;
            let both = is_set(limits.cpu) && is_set(limits.memory);
            both && requests.cpu == limits.cpu && requests.memory == limits.memory
        };
        if pod.all().all(is_full) { Self::Guaranteed } else { Self::Burstable }
    }
}

/// Returns `oom_score_adj` of a container. `capacity` is the memory of the machine in bytes.
pub fn oom_score_adj(pod: &PodSpec, container: &ContainerSpec, capacity: u64) -> i64 {
    match QosClass::of(pod) {
        QosClass::Guaranteed => GUARANTEED,
        QosClass::BestEffort => BEST_EFFORT,
        QosClass::Burstable => {
            let request = memory_for_score(pod, container);
            let thousandths = request.saturating_mul(1000) / capacity.max(1);
            let adj = BEST_EFFORT - i64::try_from(thousandths).unwrap_or(BEST_EFFORT);
            adj.clamp(LEAST_BURSTABLE, BEST_EFFORT - 1)
        }
    }
}

/// Returns the memory request that the OOM score is computed from. A sidecar has at least that of
/// the regular container with the smallest request, so that it is not killed before it.
fn memory_for_score(pod: &PodSpec, container: &ContainerSpec) -> u64 {
    let request = |c: &ContainerSpec| c.resources.requests.memory.unwrap_or_default();
    let least = pod.containers.iter().map(request).min().unwrap_or_default();
    match pod.role_of(&container.name) {
        Role::Sidecar => request(container).max(least),
        Role::Init | Role::Regular => request(container),
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
    fn one_container_without_full_limits_lowers_the_class_of_the_pod() {
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
            assert_eq!(QosClass::of(&pod(&all)), expected, "{all:?}");
        }
    }

    #[test]
    fn the_oom_score_goes_by_class_and_request() {
        let score = |requests: Amounts, limits: Amounts| {
            let pod = pod(&[(requests, limits)]);
            oom_score_adj(&pod, &pod.containers[0], 8_000_000_000)
        };
        let none = || amounts(None, None);
        assert_eq!(score(none(), none()), 1000);
        assert_eq!(score(amounts(Some(1), Some(1)), amounts(Some(1), Some(1))), -997);
        assert_eq!(score(amounts(None, Some(4_000_000_000)), none()), 500);
        assert_eq!(score(amounts(None, Some(1)), none()), 999);
        assert_eq!(score(amounts(None, Some(9_000_000_000)), none()), 3);
    }

    #[test]
    fn a_sidecar_has_at_least_the_smallest_request_of_the_regular_containers() {
        let mut pod = pod(&[(amounts(None, Some(500)), amounts(None, None))]);
        let mut sidecar = pod.containers[0].clone();
        sidecar.name = "side".into();
        sidecar.restart_policy = Some(RestartPolicy::Always);
        sidecar.resources.requests.memory = Some(100);
        pod.init_containers.push(sidecar.clone());
        assert_eq!(oom_score_adj(&pod, &sidecar, 1000), 500);
    }
}
