//! Pending records, which an earlier daemon could not write, take precedence over older records.

use std::collections::BTreeMap;

use crate::node::{PendingRecord, Recorded};

/// Adds each pending record to the newest record of the same container of the same pod.
pub fn fill_in(found: &mut [Recorded], pending_record: Vec<PendingRecord>) {
    let mut newest: BTreeMap<(String, String), &mut Recorded> = BTreeMap::new();
    for found in found {
        let key = (found.pod.uid.clone(), found.id.container.clone());
        let attempt = found.id.attempt;
        if newest.get(&key).is_none_or(|known| known.id.attempt < attempt) {
            newest.insert(key, found);
        }
    }
    for PendingRecord { pod, container, memory } in pending_record {
        let Some(found) = newest.get_mut(&(pod.uid.clone(), container)) else { continue };
        if !memory.outdates(found.id.attempt) {
            continue;
        }
        tracing::info!(id = %found.id, "the container continues from its pending record");
        (found.pod, found.memory, found.pending_record) = (pod, memory, true);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::Incarnation;
    use crate::domain::container::{Memory, Wanted};
    use crate::domain::spec::{PodSpec, sample};
    use crate::node::AttemptId;

    fn memory(attempt: u32, restart_count: u32) -> Memory {
        let memory = Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH);
        Memory { attempt: Incarnation(attempt), restart_count, ..memory }
    }

    fn recorded(attempt: u32) -> Recorded {
        let pod = sample::pod();
        let container = pod.containers[0].name.clone();
        let id = AttemptId::of(&pod, container, Incarnation(attempt));
        Recorded { id, pod, memory: memory(attempt, 0), pending_record: false }
    }

    fn pending(attempt: u32, uid: &str) -> PendingRecord {
        let pod = PodSpec { uid: uid.into(), ..sample::pod() };
        PendingRecord { container: pod.containers[0].name.clone(), pod, memory: memory(attempt, 9) }
    }

    fn filled(recorded_attempts: [u32; 2], pending: PendingRecord) -> Vec<Recorded> {
        let mut found = recorded_attempts.map(recorded);
        fill_in(&mut found, vec![pending]);
        found.into()
    }

    fn uid() -> String {
        sample::pod().uid
    }

    #[test]
    fn a_pending_record_of_the_same_attempt_replaces_the_memory() {
        let found = filled([3, 2], pending(3, &uid()));
        assert_eq!([&found[0], &found[1]].map(|it| it.memory.restart_count), [9, 0]);
        assert!(found[0].pending_record && !found[1].pending_record);
    }

    #[test]
    fn a_pending_record_of_a_later_attempt_replaces_the_memory() {
        let found = filled([2, 3], pending(4, &uid()));
        assert_eq!(found[1].memory, memory(4, 9));
        assert_eq!(found[1].id.attempt, Incarnation(3), "the attempt of the record");
    }

    #[test]
    fn an_older_pending_record_and_one_of_another_pod_are_ignored() {
        for it in [pending(2, &uid()), pending(4, "another")] {
            let found = filled([2, 3], it);
            assert!(
                found.iter().all(|found| !found.pending_record && found.memory.restart_count == 0)
            );
        }
    }
}
