//! Many containers that fail at once, over real actors.

use super::*;
use crate::domain::brake::{Limits, Pressure};
use crate::supervisor::HostBrake;

const PODS: usize = 20;
const GOOD: usize = 9;

fn name(index: usize) -> String {
    format!("pod-{index:02}")
}

impl Host {
    fn braked(limits: Option<Limits>, pressure: Pressure) -> Self {
        let brake = Arc::new(HostBrake::new(limits, move || pressure));
        Self::with(Fake::default(), |builder| builder.brake(brake))
    }

    /// Creates all pods in one instant, so that their probes run at the same time.
    async fn apply(&self, pods: usize) {
        for index in 0..pods {
            let (name, uid) = (name(index), name(index));
            let pod = PodSpec { name, uid, ..pod("app").into_inner() };
            self.supervisor.apply(pod.validate().unwrap(), Wanted::Running).await.unwrap();
        }
        for index in 0..pods {
            let runs = |view: &PodView| view.status.containers[0].pid.is_some();
            self.supervisor.wait(&key(name(index)), "runs", MINUTE, runs).await.unwrap();
        }
    }

    async fn all(&self, pods: usize, reached: fn(&PodView) -> bool) {
        for index in 0..pods {
            self.supervisor.wait(&key(name(index)), "level", 60 * MINUTE, reached).await.unwrap();
        }
    }

    fn killed(&self) -> usize {
        let events = self.supervisor.events().after(0, &Subject::All);
        events.iter().filter(|event| event.message.contains("probe, will be restarted")).count()
    }

    fn events(&self, reason: &str) -> usize {
        let events = self.supervisor.events().after(0, &Subject::All);
        events.iter().filter(|event| event.reason == reason).count()
    }
}

fn is_judged(view: &PodView) -> bool {
    let container = &view.status.containers[0];
    container.kill_held.is_some() || container.restart_count > 0
}

#[tokio::test(start_paused = true)]
async fn half_of_twenty_that_fail_at_once_are_held_and_killed_later() {
    let host = Host::braked(Some(Limits::default()), Pressure::default());
    host.apply(PODS).await;
    host.prober.0.store(true, Relaxed);
    host.all(PODS, is_judged).await;
    assert_eq!((host.killed(), host.events("KillHeld")), (GOOD, PODS - GOOD));
    let start = tokio::time::Instant::now();
    host.all(PODS, |view| view.status.containers[0].restart_count > 0).await;
    let took = start.elapsed().as_secs();
    // Ten seconds of the storm, then one kill each six, with new failures between them.
    assert!((10..600).contains(&took), "{took} s");
    assert!(host.killed() >= PODS);
}

#[tokio::test(start_paused = true)]
async fn held_containers_that_recover_are_not_killed() {
    let host = Host::braked(Some(Limits::default()), Pressure::default());
    host.apply(PODS).await;
    host.prober.0.store(true, Relaxed);
    host.all(PODS, is_judged).await;
    host.prober.0.store(false, Relaxed);
    host.all(PODS, |view| view.status.containers[0].kill_held.is_none()).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(host.killed(), GOOD);
    assert_eq!(host.events("ProbeRecovered"), PODS - GOOD);
}

#[tokio::test(start_paused = true)]
async fn a_restart_by_an_operator_ignores_the_brake() {
    let host = Host::braked(Some(Limits::default()), Pressure::default());
    host.apply(PODS).await;
    host.prober.0.store(true, Relaxed);
    host.all(PODS, is_judged).await;
    let held = |view: &PodView| view.status.containers[0].kill_held.is_some();
    let views = host.supervisor.list();
    let name = &views.iter().find(|view| held(view)).unwrap().spec.name;
    host.supervisor
        .requests()
        .request(&key(name), "", Event::Restart { grace: None }, None)
        .unwrap();
    let start = tokio::time::Instant::now();
    let back = |view: &PodView| view.status.containers[0].restart_count == 1;
    host.supervisor.wait(&key(name), "restart", MINUTE, back).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_single_container_is_killed_without_delay_under_the_highest_pressure() {
    let worst = Pressure { memory: Some(100.0), io: Some(100.0) };
    let least = Limits { burst: 1, storm_containers: 1, storm_share: 0.0, ..Limits::default() };
    let mut took = Vec::new();
    for limits in [None, Some(least)] {
        let host = Host::braked(limits, worst);
        host.apply(1).await;
        host.prober.0.store(true, Relaxed);
        let start = tokio::time::Instant::now();
        host.all(1, |view| view.status.containers[0].restart_count == 3).await;
        took.push(start.elapsed());
        assert_eq!(host.events("KillHeld"), 0);
    }
    assert_eq!(took[0], took[1]);
}

#[tokio::test(start_paused = true)]
async fn without_a_brake_all_are_killed_at_once() {
    let host = Host::braked(None, Pressure::default());
    host.apply(PODS).await;
    host.prober.0.store(true, Relaxed);
    host.all(PODS, is_judged).await;
    assert_eq!((host.killed(), host.events("KillHeld")), (PODS, 0));
}

#[tokio::test(start_paused = true)]
async fn a_removed_pod_does_not_count() {
    let host = Host::braked(Some(Limits::default()), Pressure::default());
    host.apply(PODS).await;
    for index in 6..PODS {
        host.supervisor.requests().want(&key(name(index)), Wanted::Removed, None, None).unwrap();
        host.supervisor.wait_gone(&key(name(index)), MINUTE).await.unwrap();
    }
    host.prober.0.store(true, Relaxed);
    host.all(6, is_judged).await;
    // Five of the six pods that remain are a storm.
    assert_eq!((host.killed(), host.events("KillHeld")), (4, 2));
}
