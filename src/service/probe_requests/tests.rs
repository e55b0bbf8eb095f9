use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::super::Services;
use super::super::containers::ContainersApi;
use super::*;
use crate::domain::pod_key::PodKey;
use crate::domain::probe::Outcome;
use crate::domain::spec::{Handler, PortRef, ProbeSpec, TcpSocket};
use crate::node::Target;
use crate::node::fake::Fake;
use crate::pb::containers_server::Containers;
use crate::prober::{Attempt, Prober};
use crate::supervisor::Supervisor;

struct Content;

#[async_trait]
impl Prober for Content {
    async fn attempt(&self, _: Arc<dyn Target>, _: &ContainerSpec, _: &ProbeSpec) -> Attempt {
        Attempt { outcome: Outcome::Success("well".into()), latency: Duration::from_millis(1) }
    }
}

fn url(url: &str) -> Option<pb::Probe> {
    let handler = Some(pb::probe::Handler::Url(url.into()));
    Some(pb::Probe { handler, ..pb::Probe::default() })
}

/// A service with one running container, `web`, that has a liveness probe.
async fn service() -> ContainersApi {
    service_and_supervisor().await.0
}

async fn service_and_supervisor() -> (ContainersApi, Arc<Supervisor>) {
    let supervisor = Supervisor::new(Arc::new(Fake::default()), Arc::new(Content));
    let supervisor = Arc::new(supervisor);
    let api = Services::alone(supervisor.clone(), CancellationToken::new()).containers();
    let request = pb::CreateContainerRequest {
        name: "web".into(),
        source: Some(pb::create_container_request::Source::Image("i".into())),
        liveness_probe: url("tcp://:80"),
        start: true,
        ..pb::CreateContainerRequest::default()
    };
    api.create_container(Request::new(request)).await.unwrap();
    (api, supervisor)
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|v| format!("{}: {}", v.field, v.description)).collect()
}

fn named<T>(request: impl FnOnce(String) -> T) -> Request<T> {
    Request::new(request("web".into()))
}

#[tokio::test(start_paused = true)]
async fn an_update_leaves_exactly_the_probes_of_the_request() {
    let (api, supervisor) = service_and_supervisor().await;
    let update = named(|name| pb::UpdateProbesRequest {
        name,
        readiness_probe: url("exec:cat /ready"),
        ..pb::UpdateProbesRequest::default()
    });
    let container = api.update_probes(update).await.unwrap().into_inner();
    assert_eq!((container.name.as_str(), container.restart_count), ("web", 0));
    let kinds: Vec<_> = container.probes.iter().map(|probe| probe.kind.as_str()).collect();
    assert_eq!(kinds, ["readiness"]);
    let spec = supervisor.get(&PodKey::in_default("web")).unwrap().spec;
    let readiness = spec.containers[0].probes.readiness.as_ref().unwrap();
    assert!(matches!(readiness.handler, Handler::Exec(_)), "{readiness:?}");
    assert_eq!(spec.containers[0].probes.liveness, None);
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_its_end_show_in_the_answers() {
    let api = service().await;
    let pause = async |seconds| {
        let length = Some(prost_types::Duration { seconds, nanos: 0 });
        let request = named(|name| pb::PauseProbesRequest {
            namespace: String::new(),
            name,
            container: String::new(),
            length,
        });
        let container = api.pause_probes(request).await.unwrap().into_inner();
        container.probes_paused_until.unwrap()
    };
    let long = pause(3600).await;
    let short = pause(60).await;
    assert!(short.seconds < long.seconds, "a second pause replaces the first");
    for _ in 0..2 {
        let resume = named(|name| pb::ResumeProbesRequest {
            namespace: String::new(),
            name,
            container: "web".into(),
        });
        let container = api.resume_probes(resume).await.unwrap().into_inner();
        assert_eq!(container.probes_paused_until, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_run_returns_its_kind_and_output() {
    let api = service().await;
    let run = named(|name| pb::RunProbeRequest { name, ..pb::RunProbeRequest::default() });
    let answer = api.run_probe(run).await.unwrap().into_inner();
    assert_eq!((answer.kind.as_str(), answer.outcome.as_str()), ("liveness", "success"));
    assert_eq!(answer.output, "well");
    assert_eq!(answer.latency, Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 }));
}

fn update_of(liveness_probe: Option<pb::Probe>) -> pb::UpdateProbesRequest {
    pb::UpdateProbesRequest { name: "web".into(), liveness_probe, ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn an_update_is_refused_by_the_fields_of_the_request() {
    let api = service().await;
    let refused =
        async |request| fields(&api.update_probes(Request::new(request)).await.unwrap_err());
    let exec = pb::probe::Handler::Exec(pb::ExecAction::default());
    let empty = pb::Probe { handler: Some(exec), ..pb::Probe::default() };
    let missing = ["livenessProbe.exec.command: Required value"];
    assert_eq!(refused(update_of(Some(empty))).await, missing);

    let mut early = url("tcp://:80").unwrap();
    early.initial_delay = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let negative =
        ["livenessProbe.initialDelay: Invalid value: must be greater than or equal to 0"];
    assert_eq!(refused(update_of(Some(early))).await, negative);

    let mut hasty = url("tcp://:80").unwrap();
    hasty.period = Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 });
    hasty.startup_period = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let errors = refused(update_of(Some(hasty))).await;
    let named = |field: &str| errors.iter().any(|line| line.starts_with(&format!("{field}: ")));
    assert!(named("livenessProbe.period") && named("livenessProbe.startupPeriod"), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn unknown_pods_and_containers_are_not_found() {
    let api = service().await;
    let mut request = update_of(None);
    request.container = "other".into();
    let status = api.update_probes(Request::new(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let length = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let request = pb::PauseProbesRequest {
        namespace: String::new(),
        name: "no".into(),
        container: String::new(),
        length,
    };
    assert_eq!(api.pause_probes(Request::new(request)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_pause_has_a_length_that_a_clock_can_hold() {
    let api = service().await;
    let cases = [
        (None, "Required value"),
        (Some(0), "Invalid value: must be greater than 0"),
        (Some(-1), "Invalid value: must be greater than or equal to 0"),
        (Some(1 << 31), "Invalid value: must be no longer than 2147483647 s"),
    ];
    for (seconds, why) in cases {
        let length = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        let request = pb::PauseProbesRequest {
            namespace: String::new(),
            name: "web".into(),
            length,
            ..Default::default()
        };
        let status = api.pause_probes(Request::new(request)).await.unwrap_err();
        assert_eq!(fields(&status), [format!("length: {why}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn running_a_probe_that_does_not_exist_is_a_failed_precondition() {
    let api = service().await;
    let run = |kind: &str| pb::RunProbeRequest {
        name: "web".into(),
        kind: kind.into(),
        ..Default::default()
    };
    let status = api.run_probe(Request::new(run("readiness"))).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let status = api.run_probe(Request::new(run("aliveness"))).await.unwrap_err();
    let supported = "\"liveness\", \"readiness\", \"startup\"";
    let text = format!("kind: Unsupported value: \"aliveness\": supported values: {supported}");
    assert_eq!(fields(&status), [text]);
}

#[test]
fn without_a_kind_the_first_kind_is_run() {
    let handler = Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(1) });
    let probe = Some(ProbeSpec::new(handler));
    let mut probes = Probes::default();
    assert_eq!(kind("", &probes), Ok(None));
    probes.startup = probe.clone();
    assert_eq!(kind("", &probes), Ok(Some(ProbeKind::Startup)));
    probes.readiness = probe.clone();
    assert_eq!(kind("", &probes), Ok(Some(ProbeKind::Readiness)));
    probes.liveness = probe;
    assert_eq!(kind("", &probes), Ok(Some(ProbeKind::Liveness)));
    assert_eq!(kind("startup", &probes), Ok(Some(ProbeKind::Startup)));
}
