//! Pods of several containers.

use super::*;

fn several(init_image: &str) -> Validated<PodSpec> {
    let mut spec = pod("app").into_inner();
    let container = |name: &str, image: &str| ContainerSpec {
        name: name.into(),
        source: Source::Image(image.into()),
        pull_policy: None,
        probes: Probes::default(),
        ..spec.containers[0].clone()
    };
    let (init, other) = (container("init", init_image), container("other", "app"));
    spec.init_containers = vec![init];
    spec.containers.push(other);
    spec.validate().unwrap()
}

async fn running(host: &Host, name: &'static str) -> PodView {
    let is_running = |view: &PodView| {
        let status = view.status.of(name);
        matches!(status.map(|s| &s.state), Some(ContainerState::Running { .. }))
    };
    host.supervisor.wait(&key("web"), name, MINUTE, is_running).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_are_recorded_before_the_first_starts_and_they_start_in_order() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(several("init"), Wanted::Running).await.unwrap();
    running(&host, "init").await;
    let begun = ["create web_init_0", "create web_app_0", "create web_other_0", "start web_init_0"];
    assert_eq!(host.runtime.calls(), begun);
    host.runtime.end_of("web_init_0", Ending::Exited(0));
    running(&host, "app").await;
    running(&host, "other").await;
    host.runtime.end_of("web_other_0", Ending::Exited(1));
    let again = |view: &PodView| {
        view.status.of("other").is_some_and(|s| s.restart_count == 1 && s.pid.is_some())
    };
    let view = host.supervisor.wait(&key("web"), "restart", MINUTE, again).await.unwrap();
    assert_eq!(view.status.of("app").unwrap().restart_count, 0);
    let told = host.supervisor.events().after(0, &Subject::Pod(key("web")));
    let of_init = told.iter().find(|event| event.container == "init").unwrap();
    assert_eq!(of_init.field_path(), "spec.initContainers{init}");
    host.supervisor.requests().want(&key("web"), Wanted::Removed, None, None).unwrap();
    host.supervisor.wait_gone(&key("web"), MINUTE).await.unwrap();
    let calls = host.runtime.calls();
    for id in ["web_init_0", "web_app_0", "web_other_0", "web_other_1"] {
        assert!(calls.contains(&format!("forget {id}")), "{id}: {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_init_container_and_leaves_nothing() {
    let host = Host::new(Fake::default());
    let error = host.supervisor.apply(several("bad"), Wanted::Running).await.unwrap_err();
    assert_eq!(error.to_string(), "spec.initContainers[0].image: is no image");
    assert_eq!(host.runtime.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_has_to_name_the_container() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(several("init"), Wanted::Running).await.unwrap();
    let restart = || Event::Restart { grace: None };
    let error = host.supervisor.requests().request(&key("web"), "", restart(), None).unwrap_err();
    let text = "a container name must be specified for pod web, choose one of: [app other] or one \
                of the init containers: [init]";
    assert_eq!(error.to_string(), text);
    let error = host.supervisor.requests().request(&key("web"), "db", restart(), None).unwrap_err();
    assert!(matches!(error, SupervisorError::NoContainer { .. }));
    host.supervisor.requests().request(&key("web"), "init", restart(), None).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deletion_of_an_ended_task_is_retried() {
    let host = Host::new(Fake::default());
    let away = || NodeError::Call(CallError::Unavailable("away".into()));
    *host.runtime.reap_errors.lock().unwrap() = vec![away(), away()];
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    running(&host, "app").await;
    host.runtime.end(Ending::Exited(1));
    let again = |view: &PodView| view.status.of("app").is_some_and(|s| s.restart_count == 1);
    host.supervisor.wait(&key("web"), "restart", MINUTE, again).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let reaps = host.runtime.calls().into_iter().filter(|call| call == "reap web_app_0").count();
    assert_eq!(reaps, 3);
}
