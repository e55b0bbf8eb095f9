//! Size limits of volumes on a disk. The volumes are measured while a container runs that mounts
//! them. A pod that exceeds a limit is evicted, as in the kubelet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::definition::Definition;
use super::{InstanceAction, Turn};
use crate::spec::{PodSpec, volume_limits};
use crate::time::Later;
use crate::{Incarnation, Now, quantity};

/// Shortest interval between two measurements.
const EVERY: Duration = Duration::from_secs(10);
/// Wait after a long measurement as a multiple of its duration, because a measurement loads the
/// disk.
const REST: u32 = 9;

/// Measurements of the limited volumes that one instance may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeWatch {
    /// No volume that the container mounts has a limit.
    Never,
    /// The next measurement is due at this time.
    Due(Instant),
    /// A measurement is under way.
    UnderWay { since: Instant },
}

impl VolumeWatch {
    /// Watch of an instance that starts now; the first measurement follows after [`EVERY`].
    pub fn new(definition: &Definition, now: Now) -> Self {
        let mounts = &definition.spec.volume_mounts;
        let fills = |volume: &str| mounts.iter().any(|mount| mount.name == volume);
        match volume_limits(&definition.pod).any(|(volume, _)| fills(volume)) {
            true => Self::Due(now.mono.later(EVERY)),
            false => Self::Never,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Due(at) => Some(*at),
            Self::Never | Self::UnderWay { .. } => None,
        }
    }

    pub fn tick(&mut self, attempt: Incarnation, turn: &mut Turn) {
        if self.deadline().is_some_and(|due| due <= turn.now.mono) {
            *self = Self::UnderWay { since: turn.now.mono };
            turn.instance(attempt, InstanceAction::MeasureVolumes);
        }
    }

    pub fn measured(&mut self, now: Now) {
        if let Self::UnderWay { since } = *self {
            let took = now.mono.saturating_duration_since(since);
            *self = Self::Due(now.mono.later(EVERY.max(took.saturating_mul(REST))));
        }
    }
}

/// Returns the message of the eviction if a volume of the pod exceeds its limit. `used` has the
/// sizes in bytes.
pub fn excess(pod: &PodSpec, used: &BTreeMap<String, u64>) -> Option<String> {
    let mut limits = volume_limits(pod);
    let (volume, limit) = limits.find(|(volume, limit)| used.get(*volume) > Some(limit))?;
    let limit = quantity::show_whole(limit);
    Some(format!("Usage of EmptyDir volume {volume:?} exceeds the limit {limit:?}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Medium, Volume, VolumeSource};

    #[test]
    fn the_wait_after_a_long_measurement_is_longer() {
        let mut turn = Turn::of_test();
        let mut watch = VolumeWatch::Due(turn.now.mono);
        watch.tick(Incarnation(0), &mut turn);
        assert_eq!((turn.take().len(), watch.deadline()), (1, None));
        turn.pass(3);
        watch.measured(turn.now);
        assert_eq!(watch.deadline(), Some(turn.now.mono + Duration::from_secs(27)));
        let never = VolumeWatch::new(&Definition::of_test(|_| {}), turn.now);
        assert_eq!(never, VolumeWatch::Never);
    }

    #[test]
    fn more_than_the_limit_is_an_excess() {
        let definition = Definition::of_test(|pod| {
            let source = VolumeSource::EmptyDir { medium: Medium::Disk, size_limit: Some(1 << 20) };
            pod.volumes.push(Volume { name: "cache".into(), source });
        });
        let of = |bytes| excess(&definition.pod, &BTreeMap::from([("cache".to_owned(), bytes)]));
        assert_eq!(of(1 << 20), None);
        let message = "Usage of EmptyDir volume \"cache\" exceeds the limit \"1Mi\".";
        assert_eq!(of((1 << 20) + 1).as_deref(), Some(message));
    }
}
