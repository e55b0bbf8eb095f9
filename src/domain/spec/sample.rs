//! A pod for tests.

use super::*;

pub(crate) fn pod() -> PodSpec {
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
