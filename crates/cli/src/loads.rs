//! The use of CPU and memory, from two samples.

use std::collections::BTreeMap;
use std::time::Duration;

use super::objects::timestamp;
use probelet_api::pb;

const MEBI: u64 = 1 << 20;

/// Namespace and name of a pod.
pub type Pod = (String, String);

/// Thousandths of a core, and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load {
    pub millicores: u64,
    pub memory: u64,
}

impl Load {
    /// The cells of CPU and memory, as in `kubectl top`.
    pub fn cells(self) -> [String; 2] {
        [format!("{}m", self.millicores), format!("{}Mi", self.memory / MEBI)]
    }
}

/// The loads of containers that are the same instance in both samples.
pub fn loads(first: &[pb::Usage], second: &[pb::Usage]) -> BTreeMap<(Pod, String), Load> {
    let name = |usage: &pb::Usage| {
        let pod = (usage.namespace.clone(), usage.pod.clone());
        (pod, usage.container.clone())
    };
    let earlier: BTreeMap<_, _> = first.iter().map(|usage| (name(usage), usage)).collect();
    let both = second.iter().filter_map(|now| {
        let then = earlier.get(&name(now)).filter(|then| then.attempt == now.attempt)?;
        Some((*then, now))
    });
    both.filter_map(|(then, now)| {
        let spent = |usage: &pb::Usage| usage.cpu.and_then(|cpu| Duration::try_from(cpu).ok());
        let used = spent(now)?.saturating_sub(spent(then)?);
        let passed = timestamp(now.at)?.duration_since(timestamp(then.at)?);
        let passed = Duration::try_from(passed).ok().filter(|passed| !passed.is_zero())?;
        // Rounded up, as Kubernetes rounds quantities: a process that runs is never at 0.
        let millicores = (used.as_nanos() * 1000).div_ceil(passed.as_nanos());
        let millicores = u64::try_from(millicores).unwrap_or(u64::MAX);
        Some((name(now), Load { millicores, memory: now.memory_bytes }))
    })
    .collect()
}

pub fn of_pods(loads: BTreeMap<(Pod, String), Load>) -> BTreeMap<Pod, Load> {
    let mut pods = BTreeMap::<Pod, Load>::new();
    for ((pod, _), Load { millicores, memory }) in loads {
        let load = pods.entry(pod).or_default();
        load.millicores = load.millicores.saturating_add(millicores);
        load.memory = load.memory.saturating_add(memory);
    }
    pods
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Pod {
        ("default".to_owned(), "web".to_owned())
    }

    fn load(millicores: u64, memory: u64) -> Load {
        Load { millicores, memory }
    }

    fn usage(container: &str, attempt: u32, at: (i64, i32), cpu_ms: u64, memory: u64) -> pb::Usage {
        pb::Usage {
            namespace: "default".to_owned(),
            pod: "web".to_owned(),
            container: container.to_owned(),
            attempt,
            at: Some(prost_types::Timestamp { seconds: at.0, nanos: at.1 }),
            cpu: prost_types::Duration::try_from(Duration::from_millis(cpu_ms)).ok(),
            memory_bytes: memory,
        }
    }

    #[test]
    fn the_load_is_the_use_of_one_instance_between_two_samples() {
        let first = [usage("a", 0, (10, 0), 1000, 1), usage("b", 0, (10, 0), 500, 1)];
        let second = [
            usage("a", 0, (12, 0), 1501, 3 * MEBI),
            usage("b", 1, (12, 0), 600, 1),
            usage("c", 0, (12, 0), 1, 1),
        ];
        let loads_of_both = loads(&first, &second);
        assert_eq!(loads_of_both, [((web(), "a".into()), load(251, 3 * MEBI))].into());
        // Two samples of one moment have no load.
        assert!(loads(&first, &first).is_empty());
    }

    #[test]
    fn a_pod_uses_what_its_containers_use() {
        let of = |container: &str, load| ((web(), container.to_owned()), load);
        let other = ("other".to_owned(), "web".to_owned());
        let all = [
            of("a", load(1, 10)),
            of("b", load(2, 20)),
            ((other.clone(), "a".to_owned()), load(4, 40)),
        ];
        assert_eq!(of_pods(all.into()), [(web(), load(3, 30)), (other, load(4, 40))].into());
    }
}
