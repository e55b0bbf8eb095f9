//! The verbs about probes.

use super::*;
use probelet_api::pb::containers_server::Containers;

fn not_called<T>() -> Answer<T> {
    Err(Status::unimplemented("no verb of these tests calls this"))
}

#[tonic::async_trait]
impl Containers for Fake {
    /// Liveness is the only probe, and the name of the container is its outcome.
    async fn run_probe(&self, r: Request<pb::RunProbeRequest>) -> Answer<pb::RunProbeResponse> {
        let pb::RunProbeRequest { container, kind, .. } = r.into_inner();
        if !matches!(kind.as_str(), "" | "liveness") {
            return Err(Status::failed_precondition(format!("no {kind} probe")));
        }
        Ok(Response::new(pb::RunProbeResponse {
            kind: "liveness".to_owned(),
            outcome: container,
            output: "first\n\u{1b}second\n".to_owned(),
            latency: Some(prost_types::Duration { seconds: 0, nanos: 3_200_000 }),
            exit_code: None,
        }))
    }

    async fn pause_probes(&self, r: Request<pb::PauseProbesRequest>) -> Answer<pb::Container> {
        let length = r.into_inner().length.unwrap();
        let until = prost_types::Timestamp { seconds: length.seconds, nanos: length.nanos };
        let container =
            pb::Container { probes_paused_until: Some(until), ..pb::Container::default() };
        Ok(Response::new(container))
    }

    async fn resume_probes(&self, _: Request<pb::ResumeProbesRequest>) -> Answer<pb::Container> {
        Ok(Response::new(pb::Container::default()))
    }

    async fn adopt_container(
        &self,
        _: Request<pb::AdoptContainerRequest>,
    ) -> Answer<pb::Container> {
        not_called()
    }

    async fn release_container(
        &self,
        _: Request<pb::ReleaseContainerRequest>,
    ) -> Answer<pb::ReleaseContainerResponse> {
        not_called()
    }

    async fn get_evidence(
        &self,
        _: Request<pb::GetEvidenceRequest>,
    ) -> Answer<pb::GetEvidenceResponse> {
        not_called()
    }

    async fn get_usage(&self, _: Request<pb::GetUsageRequest>) -> Answer<pb::GetUsageResponse> {
        not_called()
    }

    async fn create_container(
        &self,
        _: Request<pb::CreateContainerRequest>,
    ) -> Answer<pb::Container> {
        not_called()
    }
    async fn start_container(
        &self,
        _: Request<pb::StartContainerRequest>,
    ) -> Answer<pb::Container> {
        not_called()
    }
    async fn stop_container(&self, _: Request<pb::StopContainerRequest>) -> Answer<pb::Container> {
        not_called()
    }
    async fn kill_container(&self, _: Request<pb::KillContainerRequest>) -> Answer<pb::Container> {
        not_called()
    }
    async fn restart_container(
        &self,
        _: Request<pb::RestartContainerRequest>,
    ) -> Answer<pb::Container> {
        not_called()
    }
    async fn remove_container(
        &self,
        _: Request<pb::RemoveContainerRequest>,
    ) -> Answer<pb::RemoveContainerResponse> {
        not_called()
    }
    async fn get_container(&self, _: Request<pb::GetContainerRequest>) -> Answer<pb::Container> {
        not_called()
    }
    async fn list_containers(
        &self,
        _: Request<pb::ListContainersRequest>,
    ) -> Answer<pb::ListContainersResponse> {
        not_called()
    }
    async fn wait_container(&self, _: Request<pb::WaitContainerRequest>) -> Answer<pb::Container> {
        not_called()
    }
    async fn update_probes(&self, _: Request<pb::UpdateProbesRequest>) -> Answer<pb::Container> {
        not_called()
    }

    async fn exec_sync(&self, _: Request<pb::ExecSyncRequest>) -> Answer<pb::ExecSyncResponse> {
        not_called()
    }

    type AttachStream = Streaming<pb::AttachResponse>;

    async fn attach(
        &self,
        _: Request<tonic::Streaming<pb::AttachRequest>>,
    ) -> Answer<Self::AttachStream> {
        not_called()
    }

    type ExecStream = Streaming<pb::ExecResponse>;

    async fn exec(
        &self,
        _: Request<tonic::Streaming<pb::ExecRequest>>,
    ) -> Answer<Self::ExecStream> {
        not_called()
    }

    type GetLogsStream = Streaming<pb::LogChunk>;

    async fn get_logs(&self, _: Request<pb::GetLogsRequest>) -> Answer<Self::GetLogsStream> {
        not_called()
    }
}

/// A daemon with the pod `web`.
async fn with_web() -> Daemon {
    let daemon = daemon();
    let path = manifest(&daemon, WEB);
    assert_eq!(probelet(&daemon.socket, &format!("apply -f {path}")).await.0, 0);
    daemon
}

#[tokio::test]
async fn the_exit_status_is_the_outcome_of_the_probe() {
    let daemon = with_web().await;
    for (outcome, status) in [("success", 0), ("warning", 0), ("failure", 1), ("error", 1)] {
        let (code, out, err) = probelet(&daemon.socket, &format!("probe web -c {outcome}")).await;
        assert_eq!((code, err.as_str()), (status, ""), "{outcome}");
        let lines = format!("liveness probe: {outcome} in 3.2ms\n  first\n  \\u{{1b}}second\n");
        assert_eq!(out, lines);
    }
}

#[tokio::test]
async fn a_probe_that_cannot_be_run_is_an_error() {
    let daemon = with_web().await;
    let (code, out, err) = probelet(&daemon.socket, "probe pod/web --kind startup").await;
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "error: no startup probe\n"));
    let (code, _, err) = probelet(&daemon.socket, "probe other").await;
    assert_eq!((code, err.as_str()), (1, "error: pods \"other\" not found\n"));
}

#[tokio::test]
async fn a_pause_prints_its_end() {
    let daemon = with_web().await;
    let (code, out, _) = probelet(&daemon.socket, "pause pod/web --for 1h30m").await;
    assert_eq!(code, 0);
    assert_eq!(out, "pod/web probes paused until Thu, 01 Jan 1970 01:30:00 +0000\n");
    assert_eq!(probelet(&daemon.socket, "resume web").await.1, "pod/web probes resumed\n");
}

#[test]
fn a_pause_needs_a_length() {
    for line in ["pause web", "pause web --for ten", "pause web --for 0s", "pause web --for -1m"] {
        let args = ["probelet"].into_iter().chain(line.split(' '));
        assert!(Cli::try_parse_from(args).is_err(), "{line}");
    }
}
