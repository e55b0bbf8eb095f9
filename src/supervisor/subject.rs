//! The pods whose events are wanted.

use crate::domain::notice::Event;
use crate::domain::pod_key::{ADOPTED_NAMESPACE, PodKey};

/// All pods, those of a namespace, or one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    All,
    Namespace(String),
    Pod(PodKey),
}

impl Subject {
    /// Returns the pods of a namespace; all pods if it is empty.
    pub fn of_namespace(namespace: &str) -> Self {
        match namespace {
            "" => Self::All,
            namespace => Self::Namespace(namespace.to_owned()),
        }
    }

    pub fn includes(&self, event: &Event) -> bool {
        let is_adopted = event.pod.contains('/') && !event.pod.starts_with('/');
        match self {
            Self::All => true,
            // Older builds recorded the events of adopted containers with containerd's namespace.
            Self::Namespace(namespace) if is_adopted => namespace == ADOPTED_NAMESPACE,
            Self::Namespace(namespace) => event.namespace == *namespace,
            Self::Pod(_) if event.object.is_some() => false,
            Self::Pod(pod) if is_adopted => pod.is_adopted() && event.pod == pod.name(),
            Self::Pod(pod) => event.pod == pod.name() && event.namespace == pod.namespace(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::notice::Notice;
    use crate::domain::spec::{PodSpec, sample};
    use crate::supervisor::EventLog;

    #[test]
    fn a_subject_is_all_a_namespace_or_one_pod() {
        let log = EventLog::default();
        let all = [("default", "web"), ("a", "web"), ("a", "db"), ("elsewhere", "elsewhere/web")];
        for (namespace, name) in all {
            let uid = format!("{namespace} {name}");
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            let pod = PodSpec { namespace, name, uid, ..sample::pod() };
            log.record(&pod, "app", Notice::normal("Recorded", "x"), SystemTime::UNIX_EPOCH);
        }
        for (namespace, pod, expected) in [
            ("", "", vec![0, 1, 2, 3]),
            ("a", "", vec![1, 2]),
            ("", "web", vec![0]),
            ("a", "web", vec![1]),
            ("b", "web", vec![]),
            ("", "elsewhere/web", vec![3]),
            ("elsewhere", "", vec![]),
            (ADOPTED_NAMESPACE, "", vec![3]),
        ] {
            let subject = match pod {
                "" => Subject::of_namespace(namespace),
                pod => Subject::Pod(PodKey::named(namespace, pod)),
            };
            let events = log.after(0, &subject);
            let names: Vec<_> =
                events.iter().map(|event| (&*event.namespace, &*event.pod)).collect();
            let expected: Vec<_> = expected.into_iter().map(|at: usize| all[at]).collect();
            assert_eq!(names, expected, "{namespace:?} {pod:?}");
        }
    }
}
