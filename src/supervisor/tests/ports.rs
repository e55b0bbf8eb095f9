//! Host ports.

use super::*;
use crate::domain::spec::ContainerPort;

fn pod_with(name: &str, uid: &str, host_port: u16) -> Validated<PodSpec> {
    let mut spec = PodSpec { name: name.into(), uid: uid.into(), ..pod("app").into_inner() };
    spec.containers[0].ports = vec![ContainerPort {
        name: None,
        port: 80,
        protocol: "TCP".into(),
        host_port: Some(host_port),
        host_ip: None,
    }];
    spec.validate().unwrap()
}

fn refusal(outcome: Result<(PodView, Applied), SupervisorError>) -> String {
    match outcome {
        Err(SupervisorError::Invalid(errors)) => errors.to_string(),
        other => panic!("{other:?}"),
    }
}

const TAKEN: &str = "spec.containers[0].ports[0].hostPort: Invalid value: ";

#[tokio::test(start_paused = true)]
async fn of_two_concurrent_creations_one_gets_the_port() {
    let host = Host::new(Fake::default());
    let apply = |name, uid| host.supervisor.apply(pod_with(name, uid, 8080), Wanted::Running);
    let (first, second) = tokio::join!(apply("a", "1"), apply("b", "2"));
    assert_eq!(first.unwrap().1, Applied::Created);
    assert_eq!(refusal(second), format!("{TAKEN}8080: pod \"a\" has it"));
    assert!(!host.runtime.calls().iter().any(|call| call.contains("b_app")), "nothing is created");
    host.supervisor.requests().want(&key("a"), Wanted::Removed, None, None).unwrap();
    host.supervisor.wait_gone(&key("a"), MINUTE).await.unwrap();
    apply("b", "3").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_successor_has_its_ports_before_it_starts() {
    let host = Host::new(Fake::stubborn());
    host.supervisor.apply(pod_with("a", "1", 8080), Wanted::Running).await.unwrap();
    let replaced = host.supervisor.apply_or_replace(pod_with("a", "2", 8081), None);
    let others = async {
        let leaving = |view: &PodView| view.status.deletion.is_some();
        host.supervisor.wait(&key("a"), "end", MINUTE, leaving).await.unwrap();
        for port in [8080, 8081] {
            let outcome = host.supervisor.apply(pod_with("b", "3", port), Wanted::Running).await;
            assert_eq!(refusal(outcome), format!("{TAKEN}{port}: pod \"a\" has it"));
        }
    };
    let (replaced, ()) = tokio::join!(replaced, others);
    assert!(matches!(replaced.unwrap().1, Applied::Replaced(_)));
}
