//! Sample pod for the tests of all crates.

use super::*;

/// Makes a pod of one container, `app`, with an image, a variable and a label.
#[must_use]
pub fn pod() -> PodSpec {
    let image = Source::Image("docker.io/library/web:1".into());
    let container = ContainerSpec {
        env: vec![EnvVar::new("MODE", "a=b \"c\"")],
        ..ContainerSpec::bare("app".into(), image)
    };
    PodSpec {
        labels: BTreeMap::from([("app".into(), "web".into())]),
        restart_policy: RestartPolicy::OnFailure,
        ..PodSpec::bare("web".into(), "0a1b".into(), vec![container])
    }
}
