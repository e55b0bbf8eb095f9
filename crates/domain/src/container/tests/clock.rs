//! Waits while the wall clock is set by a day, with or without a running daemon: no wait becomes
//! longer or shorter.

use super::super::life::Life;
use super::super::phase::Phase;
use super::*;

const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone, Copy)]
enum Set {
    Forward,
    Back,
}

fn moved(time: SystemTime, set: Set) -> SystemTime {
    match set {
        Set::Forward => time + DAY,
        Set::Back => time - DAY,
    }
}

/// Sets the clock in both directions, for the running daemon and for the next one.
fn each_way(mut story: impl FnMut() -> Story, check: impl Fn(Story, Recovered)) {
    for set in [Set::Forward, Set::Back] {
        for (away, found) in [
            (false, Recovered::Nothing),
            (true, Recovered::Running { pid: 7 }),
            (true, Recovered::Nothing),
        ] {
            let mut story = story();
            // The times have to be late enough to be moved back.
            story.now.wall += DAY;
            let was = story.now;
            story.now = Now {
                wall: moved(was.wall, set),
                booted_at: moved(was.booted_at + 2 * DAY, set),
                ..was
            };
            story.machine.life.course.booted_at = Some(was.booted_at + 2 * DAY);
            story.age_memory();
            if away {
                let alive = story.machine.is_alive();
                if alive != matches!(found, Recovered::Running { .. }) {
                    continue;
                }
                story.recovered(found.clone());
            } else {
                story.tell(Event::Tick);
            }
            check(story, found);
        }
    }
}

impl Story {
    /// Moves the recorded times by a day, as the wall clock of the story was.
    fn age_memory(&mut self) {
        let Life { course, phase, pause, .. } = &mut self.machine.life;
        course.created_at += DAY;
        let of_phase = match phase {
            Phase::Waiting(wait) => wait.restart_at.as_mut(),
            Phase::Stopping(_, stop) => Some(&mut stop.record_mut().kill_at),
            _ => None,
        };
        let times = [course.started_at.as_mut(), pause.until_wall.as_mut(), of_phase];
        times.into_iter().flatten().for_each(|time| *time += DAY);
    }

    fn left(&self) -> Option<Duration> {
        Some(self.machine.deadline()?.saturating_duration_since(self.now.mono))
    }
}

fn without_probes(change: impl Fn(&mut PodSpec)) -> Story {
    let mut pod = pod(RestartPolicy::Always);
    pod.containers[0].probes = Probes::default();
    change(&mut pod);
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    story
}

#[test]
fn a_back_off_keeps_its_length() {
    let waiting = || {
        let mut story = without_probes(|_| {});
        story.ended(Ending::Exited(1));
        story.started();
        story.ended(Ending::Exited(1));
        story.pass(4 * SECOND);
        story
    };
    each_way(waiting, |story, found| assert_eq!(story.left(), Some(6 * SECOND), "{found:?}"));
}

#[test]
fn a_pause_keeps_its_length() {
    let paused = || {
        let mut story = Story::running(RestartPolicy::Always);
        story.tell(Event::Pause { length: 60 * SECOND });
        story.pass(20 * SECOND);
        story
    };
    each_way(paused, |story, found| {
        assert_eq!(story.left(), Some(40 * SECOND), "{found:?}");
        assert_eq!(story.machine.status().paused_until, Some(story.now.wall + 40 * SECOND));
    });
}

#[test]
fn a_deadline_keeps_its_distance() {
    let active = || {
        let mut story = without_probes(|pod| pod.active_deadline = Some(60 * SECOND));
        story.pass(20 * SECOND);
        story
    };
    each_way(active, |story, found| assert_eq!(story.left(), Some(40 * SECOND), "{found:?}"));
}

#[test]
fn a_grace_keeps_its_length() {
    let stopping = || {
        let mut story = without_probes(|_| {});
        story.tell(Event::Restart { grace: Some(20 * SECOND) });
        story.pass(5 * SECOND);
        story
    };
    each_way(stopping, |mut story, found| {
        assert_eq!(story.left(), Some(15 * SECOND), "{found:?}");
        story.ended(Ending::Signaled(15));
        let last = story.machine.memory().last_state.clone().unwrap();
        assert_eq!(last.sigkill, None, "the grace was not over: {found:?}");
    });
}

#[test]
fn an_age_does_not_change() {
    let old = || {
        let mut story = without_probes(|_| {});
        story.pass(100 * SECOND);
        story
    };
    each_way(old, |story, found| {
        let age = |at: SystemTime| story.now.wall.duration_since(at).ok();
        let ContainerState::Running { started_at } = story.machine.status().state else {
            panic!("{found:?}")
        };
        if matches!(found, Recovered::Running { .. }) {
            assert_eq!(age(started_at), Some(100 * SECOND), "{found:?}");
        }
        let memory = story.machine.memory();
        assert_eq!(memory.started_at.and_then(age), Some(100 * SECOND), "{found:?}");
        assert_eq!(age(memory.created_at), Some(100 * SECOND), "{found:?}");
    });
}

#[test]
fn slewing_moves_nothing() {
    let mut story = without_probes(|_| {});
    let before = story.machine.memory();
    story.now.booted_at += SECOND / 2;
    story.tell(Event::Tick);
    assert_eq!(story.machine.memory(), before);
}

#[test]
fn after_a_reboot_no_wait_becomes_longer() {
    let mut story = Story::running(RestartPolicy::Always);
    story.tell(Event::Pause { length: 60 * SECOND });
    let memory = Memory {
        boot_id: Some("a".into()),
        paused_until: Some(story.now.wall + DAY),
        ..story.machine.memory()
    };
    assert_eq!(memory.clone().in_boot(Some("a")).booted_at, memory.booted_at);
    for boot in [Some("b"), None] {
        let memory = memory.clone().in_boot(boot);
        story.now.booted_at += DAY;
        story.recovered_from(memory, Recovered::Running { pid: 7 });
        assert_eq!(story.left(), Some(60 * SECOND), "{boot:?}");
    }
}

#[test]
fn an_end_is_never_before_its_start_nor_in_the_future() {
    for (set, ran) in [(Set::Forward, 100), (Set::Back, 0)] {
        let mut story = without_probes(|_| {});
        story.pass(DAY);
        story.machine.life.course.started_at = Some(story.now.wall - 100 * SECOND);
        let at = moved(story.now.wall, set);
        story.recovered(Recovered::Ended(Ending::Exited(1), at, Default::default()));
        let last = story.machine.memory().last_state.clone().unwrap();
        let lived = last.finished_at.duration_since(last.started_at.unwrap()).unwrap();
        assert_eq!((lived, last.container_id.as_str()), (ran * SECOND, "c"));
    }
}

#[test]
fn probes_of_recovered_containers_are_spread_by_a_fixed_delay() {
    let first = |uid: &str| {
        let mut story = Story::running(RestartPolicy::Always);
        let spec = PodSpec { uid: uid.into(), ..pod(RestartPolicy::Always) };
        story.machine.life.definition.pod = Arc::new(spec);
        story.pass(5 * SECOND);
        story.recovered(Recovered::Running { pid: 7 });
        story.machine.spread_probes(story.now);
        story.left().unwrap()
    };
    let places: Vec<_> = (0..200).map(|pod| first(&pod.to_string())).collect();
    assert!(places.iter().all(|place| *place < SECOND), "{places:?}");
    for tenth in 0..10 {
        let from = SECOND / 10 * tenth;
        let some = places.iter().filter(|place| (from..from + SECOND / 10).contains(*place));
        assert!((8..40).contains(&some.count()), "{places:?}");
    }
    assert_eq!(first("1"), places[1]);
}
