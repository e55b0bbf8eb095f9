//! Pods of several containers through the API.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request};

use super::Services;
use super::containers::ContainersApi;
use super::pods::PodsApi;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{ContainerSpec, ProbeSpec};
use crate::node::Target;
use crate::node::fake::Fake;
use crate::pb::apply_pod_request::Manifest;
use crate::pb::containers_server::Containers;
use crate::pb::pods_server::Pods;
use crate::prober::{Attempt, Prober};
use crate::supervisor::Supervisor;
use crate::{pb, structs};

struct NoProbes;

#[async_trait]
impl Prober for NoProbes {
    async fn attempt(&self, _: Arc<dyn Target>, _: &ContainerSpec, _: &ProbeSpec) -> Attempt {
        unreachable!("no probe is set")
    }
}

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: proxy, image: p, restartPolicy: Always}]
  containers: [{name: app, image: a}, {name: log, image: l}]
";

struct Api {
    supervisor: Arc<Supervisor>,
    containers: ContainersApi,
    pods: PodsApi,
}

/// The services of a daemon with one pod, all of whose containers run.
async fn service() -> Api {
    let supervisor = Supervisor::new(Arc::new(Fake::default()), Arc::new(NoProbes));
    let supervisor = Arc::new(supervisor);
    let services = Services::alone(supervisor.clone(), CancellationToken::new());
    let api = Api { supervisor, containers: services.containers(), pods: services.pods() };
    let manifest = Some(Manifest::Text(POD.into()));
    api.pods
        .apply_pod(Request::new(pb::ApplyPodRequest { manifest, objects: vec![] }))
        .await
        .unwrap();
    for container in ["proxy", "app", "log"] {
        let request = pb::WaitContainerRequest {
            namespace: String::new(),
            name: "web".into(),
            container: container.into(),
            condition: Some(pb::wait_container_request::Condition::Running(true)),
            timeout: None,
        };
        let answer =
            api.containers.wait_container(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(answer.name, container);
    }
    api
}

#[tokio::test(start_paused = true)]
async fn a_pod_lists_its_init_containers_first_and_marks_them() {
    let api = service().await;
    let request = pb::GetPodRequest { namespace: String::new(), name: "web".into() };
    let pod = api.pods.get_pod(Request::new(request)).await.unwrap().into_inner();
    let all: Vec<_> = pod.containers.iter().map(|c| (c.name.as_str(), c.init_container)).collect();
    assert_eq!(all, [("proxy", true), ("app", false), ("log", false)]);
    let object = structs::to_json(pod.object.unwrap());
    assert_eq!(object["status"]["initContainerStatuses"][0]["name"], "proxy");
    assert_eq!(object["status"]["containerStatuses"][1]["name"], "log");
}

#[tokio::test(start_paused = true)]
async fn one_of_several_containers_must_be_named() {
    let api = service().await;
    let get = |container: &str| {
        let (name, container) = ("web".into(), container.into());
        api.containers.get_container(Request::new(pb::GetContainerRequest {
            namespace: String::new(),
            name,
            container,
        }))
    };
    assert_eq!(get("proxy").await.unwrap().into_inner().name, "proxy");
    assert_eq!(get("").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(get("db").await.unwrap_err().code(), Code::NotFound);
    let kill = |container: &str| {
        let (name, container, signal) = ("web".into(), container.into(), "TERM".into());
        api.containers.kill_container(Request::new(pb::KillContainerRequest {
            namespace: String::new(),
            name,
            container,
            signal,
        }))
    };
    let error = kill("").await.unwrap_err();
    assert!(error.message().starts_with("a container name must be specified"), "{error}");
    assert_eq!(kill("log").await.unwrap().into_inner().name, "log");
    let restart = pb::RestartContainerRequest {
        namespace: String::new(),
        name: "web".into(),
        container: "app".into(),
        grace_period: None,
    };
    let answer =
        api.containers.restart_container(Request::new(restart)).await.unwrap().into_inner();
    assert_eq!((answer.name.as_str(), answer.attempt), ("app", 1));
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_stopped_and_started_as_a_whole() {
    let api = service().await;
    let stop = pb::StopContainerRequest {
        namespace: String::new(),
        name: "web".into(),
        grace_period: None,
    };
    api.containers.stop_container(Request::new(stop)).await.unwrap();
    let running = |api: &Api| -> Vec<bool> {
        let view = api.supervisor.get(&PodKey::in_default("web")).unwrap();
        view.status.all().map(|status| status.pid.is_some()).collect()
    };
    assert_eq!(running(&api), [false, false, false]);
    let start = pb::StartContainerRequest { namespace: String::new(), name: "web".into() };
    let first = api.containers.start_container(Request::new(start)).await.unwrap().into_inner();
    assert_eq!((first.name.as_str(), first.attempt), ("proxy", 1));
}

#[tokio::test]
async fn kubeconfigs_are_issued_and_revoked() {
    use super::KubeconfigsApi;
    use crate::kube_authority::Authority;
    use crate::pb::kubeconfigs_server::Kubeconfigs;

    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path(), "127.0.0.1:6443".parse().unwrap()).unwrap();
    let request = pb::CreateKubeconfigRequest {
        name: "ann".into(),
        role: pb::KubernetesRole::View.into(),
        ttl: None,
        server: String::new(),
        token: true,
    };
    let revoke = || Request::new(pb::RevokeKubeconfigRequest { name: "ann".into() });
    let none = KubeconfigsApi::new(None);
    let refused = none.create_kubeconfig(Request::new(request.clone())).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("--kube-api"), "{refused}");
    let refused = none.revoke_kubeconfig(revoke()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);

    let api = KubeconfigsApi::new(Some(Arc::new(authority)));
    let answer = api.create_kubeconfig(Request::new(request.clone())).await.unwrap();
    assert!(answer.into_inner().kubeconfig.contains("token: "));
    let wrong = [
        pb::CreateKubeconfigRequest { name: "a b".into(), ..request.clone() },
        pb::CreateKubeconfigRequest { role: 0, ..request.clone() },
        pb::CreateKubeconfigRequest { role: 9, ..request.clone() },
        pb::CreateKubeconfigRequest { server: "http://x".into(), ..request.clone() },
        pb::CreateKubeconfigRequest { ttl: Some(Default::default()), ..request.clone() },
    ];
    for wrong in wrong {
        let refused = api.create_kubeconfig(Request::new(wrong)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    api.revoke_kubeconfig(revoke()).await.unwrap();
    assert_eq!(api.revoke_kubeconfig(revoke()).await.unwrap_err().code(), Code::NotFound);
}
