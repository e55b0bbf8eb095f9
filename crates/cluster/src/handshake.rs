//! The next step of a pod: started, ended, posted, deleted or released. Each step follows from what is
//! there, so a daemon that dies at any of them repeats it.
//!
//! No container is ended on a doubt. A pod ends because the API's own copy says so: it is being
//! deleted, its phase is terminal, or a complete list of the same cluster does not have it.

use std::time::Duration;

use crate::pod::BoundPod;

/// A pod may be missing in a list for this long before it is ended, if the list may be another
/// cluster's.
pub const DOUBT: Duration = Duration::from_secs(600);

/// The pod as this host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPod {
    /// UID, which is the API's.
    pub uid: String,
    /// True if its containers have been asked to end for good.
    pub is_ending: bool,
    /// The rest of the time that they have, if they have been asked.
    pub grace: Option<Duration>,
    /// True if no container runs, and none will run without a request.
    pub is_over: bool,
    /// True if the phase says that the pod has ended by itself.
    pub is_terminal: bool,
}

/// What to do with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is to be done.
    Nothing,
    /// Admit the pod, and create it here.
    Start,
    /// Take over what the API has changed, and post the status that the pod has.
    Follow,
    /// End the containers for good, within this time, and post the status meanwhile.
    End(Duration),
    /// Post that the pod is over. Its containers without an end were lost.
    PostOver,
    /// Delete the object: the API knows that the pod is over.
    Delete,
    /// End the containers if they run, and remove what is left of the pod here.
    Release,
}

/// The next step of a pod. `api` is its object in a complete list. `is_doubtful` says that the list may
/// be another cluster's, so that nothing follows from a pod that it does not have.
pub fn next(api: Option<BoundPod<'_>>, local: Option<&LocalPod>, is_doubtful: bool) -> Step {
    let (api, local) = match (api, local) {
        (None, None) => return Step::Nothing,
        (None, Some(_)) if is_doubtful => return Step::Nothing,
        (None, Some(_)) => return Step::Release,
        (Some(api), None) => return without_local(api),
        (Some(api), Some(local)) if api.uid() != local.uid && is_doubtful => return Step::Nothing,
        // The object was deleted by force and made anew. Both are never there at once.
        (Some(api), Some(local)) if api.uid() != local.uid => return Step::Release,
        (Some(api), Some(local)) => (api, local),
    };
    let deletion = api.deletion();
    match (api.is_terminal(), local.is_over) {
        // The API has the last word on a phase: a controller may have failed the pod.
        (true, false) => end(local, deletion.unwrap_or(Duration::from_secs(1))),
        (true, true) if deletion.is_some() => Step::Delete,
        (true, true) => Step::Nothing,
        (false, true) if local.is_ending || local.is_terminal => Step::PostOver,
        (false, _) => match deletion {
            Some(grace) => end(local, grace),
            None => Step::Follow,
        },
    }
}

/// A request to end is repeated only to shorten the time. As by the kubelet, it is a second at least.
fn end(local: &LocalPod, grace: Duration) -> Step {
    let grace = grace.max(Duration::from_secs(1));
    match local.grace {
        Some(left) if local.is_ending && left <= grace => Step::Follow,
        _ => Step::End(grace),
    }
}

fn without_local(api: BoundPod<'_>) -> Step {
    match (api.is_terminal(), api.deletion()) {
        (true, Some(_)) => Step::Delete,
        (true, None) => Step::Nothing,
        (false, Some(_)) => Step::PostOver,
        (false, None) => Step::Start,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn api(uid: &str, phase: &str, deletion: Option<u64>) -> Value {
        let mut metadata = json!({"name": "web", "namespace": "a", "uid": uid});
        if let Some(grace) = deletion {
            metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            metadata["deletionGracePeriodSeconds"] = json!(grace);
        }
        json!({"metadata": metadata, "status": {"phase": phase}})
    }

    fn local(is_ending: bool, is_over: bool) -> LocalPod {
        let grace = is_ending.then_some(Duration::from_secs(30));
        LocalPod { uid: "u".into(), is_ending, grace, is_over, is_terminal: false }
    }

    fn step(api: Option<&Value>, local: Option<&LocalPod>) -> Step {
        next(api.map(|api| BoundPod::of(api).unwrap()), local, false)
    }

    #[test]
    fn each_row_of_the_handshake() {
        let end = |seconds| Step::End(Duration::from_secs(seconds));
        let over = LocalPod { is_terminal: true, ..local(false, true) };
        let rows = [
            (None, None, Step::Nothing),
            (None, Some(local(false, false)), Step::Release),
            (Some(api("u", "Pending", None)), None, Step::Start),
            (Some(api("u", "Running", None)), None, Step::Start),
            // Nothing was ever made here of a pod that is being deleted.
            (Some(api("u", "Pending", Some(30))), None, Step::PostOver),
            (Some(api("u", "Failed", Some(30))), None, Step::Delete),
            (Some(api("u", "Failed", None)), None, Step::Nothing),
            // The life of a pod.
            (Some(api("u", "Pending", None)), Some(local(false, false)), Step::Follow),
            (Some(api("u", "Running", Some(30))), Some(local(false, false)), end(30)),
            (Some(api("u", "Running", Some(30))), Some(local(true, false)), Step::Follow),
            // A later request may shorten the time, and not extend it.
            (Some(api("u", "Running", Some(5))), Some(local(true, false)), end(5)),
            (Some(api("u", "Running", Some(60))), Some(local(true, false)), Step::Follow),
            (Some(api("u", "Running", Some(0))), Some(local(false, false)), end(1)),
            (Some(api("u", "Running", Some(30))), Some(local(true, true)), Step::PostOver),
            (Some(api("u", "Failed", Some(30))), Some(local(true, true)), Step::Delete),
            // The pod ends by itself, such as one of a Job.
            (Some(api("u", "Running", None)), Some(over.clone()), Step::PostOver),
            (Some(api("u", "Succeeded", None)), Some(over), Step::Nothing),
            // A pod that waits between two restarts is not over.
            (Some(api("u", "Running", None)), Some(local(false, true)), Step::Follow),
            // Another writer has failed the pod.
            (Some(api("u", "Failed", None)), Some(local(false, false)), end(1)),
            (Some(api("u", "Failed", None)), Some(local(true, true)), Step::Nothing),
            // Another pod has the name.
            (Some(api("v", "Pending", None)), Some(local(false, false)), Step::Release),
        ];
        for (index, (api, local, expected)) in rows.into_iter().enumerate() {
            assert_eq!(step(api.as_ref(), local.as_ref()), expected, "row {index}");
        }
    }

    #[test]
    fn a_list_of_another_cluster_ends_nothing() {
        assert_eq!(next(None, Some(&local(false, false)), true), Step::Nothing);
        let other = api("v", "Running", None);
        assert_eq!(next(BoundPod::of(&other), Some(&local(false, false)), true), Step::Nothing);
    }

    proptest! {
        /// A pod is deleted only if its phase is terminal and nothing of it runs; a pod that the API
        /// wants to run is not ended.
        #[test]
        fn no_step_is_ahead_of_what_is_there(
            phase in 0..4usize,
            deletion in proptest::option::of(0..60u64),
            is_here in any::<bool>(),
            flags in any::<[bool; 3]>(),
        ) {
            let phase = ["Pending", "Running", "Succeeded", "Failed"][phase];
            let api = api("u", phase, deletion);
            let [is_ending, is_over, is_terminal] = flags;
            let pod = LocalPod { is_terminal: is_terminal && is_over, ..local(is_ending, is_over) };
            let step = step(Some(&api), is_here.then_some(&pod));
            let is_terminal = phase == "Succeeded" || phase == "Failed";
            match step {
                Step::Delete => {
                    prop_assert!(is_terminal && deletion.is_some());
                    prop_assert!(!is_here || is_over);
                }
                Step::PostOver => prop_assert!(!is_terminal && (!is_here || is_over)),
                Step::End(_) => prop_assert!(is_here && (deletion.is_some() || is_terminal)),
                Step::Start => prop_assert!(!is_here && deletion.is_none() && !is_terminal),
                Step::Release => prop_assert!(false),
                Step::Nothing | Step::Follow => {}
            }
        }
    }
}
