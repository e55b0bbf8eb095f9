use super::*;

fn thread(tid: u32, state: &str, wchan: &str, ran: u64) -> Thread {
    let name = format!("t{tid}");
    Thread {
        tid,
        name,
        state: state.into(),
        wchan: wchan.into(),
        ran_microseconds: ran,
        ..Thread::default()
    }
}

fn seen(threads: Vec<Thread>) -> Captured {
    let thread_count = threads.len() as u32;
    let process =
        Process { pid: 7, name: "app".into(), thread_count, threads, ..Process::default() };
    Captured { sample_milliseconds: 100, processes: vec![process], ..Captured::default() }
}

fn asleep() -> Captured {
    seen(vec![thread(7, "S", "do_epoll_wait", 0)])
}

const FUTEX: &str = "futex_do_wait";

#[test]
fn threads_read_as_deadlocked_spinning_stuck_or_idle() {
    let waited = |thread: Thread, waited_microseconds| Thread { waited_microseconds, ..thread };
    let by_syscall = Thread { syscall: "futex".into(), ..thread(8, "S", "", 0) };
    for (threads, expected) in [
        (
            vec![thread(7, "S", FUTEX, 0), by_syscall, thread(9, "S", FUTEX, 900)],
            "3 of 3 threads of process 7 'app' wait in futex_do_wait and used no CPU: looks \
             deadlocked",
        ),
        (
            vec![thread(7, "S", FUTEX, 0), thread(8, "S", "do_epoll_wait", 0)],
            "1 of 2 threads of process 7 'app' wait for a lock (futex), the others in \
             do_epoll_wait (1); none used CPU: idle or deadlocked",
        ),
        (
            vec![thread(7, "S", FUTEX, 0), thread(8, "R", "", 98_000)],
            "thread 8 't8' of process 7 'app' used 98 % of a core: looks spinning",
        ),
        (
            vec![waited(thread(7, "R", "", 30_000), 60_000)],
            "thread 7 't7' of process 7 'app' never slept and got 30 % of a core: looks spinning",
        ),
        (
            vec![thread(7, "D", "nfs_wait_bit", 0)],
            "thread 7 't7' of process 7 'app' sleeps in nfs_wait_bit and can't be interrupted (D)",
        ),
        (
            vec![thread(7, "T", "do_signal_stop", 0)],
            "process 7 'app' is stopped by a signal or a debugger",
        ),
        (
            vec![thread(7, "S", "do_epoll_wait", 2_000), thread(8, "S", "pipe_read", 0)],
            "nothing stands out: 2 threads of 1 process used 2 % of a core; asleep in \
             do_epoll_wait (1), pipe_read (1)",
        ),
        (vec![], "nothing could be seen of its processes"),
    ] {
        assert_eq!(reading(&seen(threads)), [expected]);
    }
}

#[test]
fn a_lock_that_a_running_thread_may_release_is_no_deadlock() {
    // The thread that runs may hold the lock.
    let sentences = reading(&seen(vec![thread(7, "S", FUTEX, 0), thread(8, "R", "", 20_000)]));
    assert!(!sentences.concat().contains("deadlocked"), "{sentences:?}");
}

#[test]
fn a_thread_that_waited_for_a_cpu_just_once_does_not_spin() {
    for (state, ran) in [("R", 1_000), ("S", 20_000)] {
        let thread = Thread { waited_microseconds: 90_000, ..thread(7, state, "", ran) };
        let sentences = reading(&seen(vec![thread]));
        assert!(!sentences.concat().contains("spinning"), "{sentences:?}");
    }
}

#[test]
fn only_three_are_named_and_the_rest_is_counted() {
    let sentences = reading(&seen((0..5).map(|tid| thread(tid, "R", "", 99_000)).collect()));
    assert_eq!(sentences.len(), 4);
    assert_eq!(sentences[3], "2 more threads look spinning");
}

#[test]
fn a_reading_fits_an_event() {
    let mut captured = seen(vec![thread(7, "S", FUTEX, 0)]);
    captured.processes = vec![captured.processes[0].clone(); 20];
    captured.listeners = vec![Listener { waiting: 1, address: "[::]:80".into(), backlog: None }; 5];
    let sentences = reading(&captured);
    assert_eq!((sentences.len(), sentences[12].as_str()), (13, "12 more things stand out"));
}

#[test]
fn memory_is_judged_without_the_cache_that_would_be_given_back() {
    const MIB: u64 = 1 << 20;
    for (usage, cache, failures, expected) in [
        (
            64 * MIB - MIB / 10,
            0,
            412,
            Some("63.9 of 64 MiB, 412 failures to allocate: heap exhausted"),
        ),
        (64 * MIB, 0, 0, Some("64 of 64 MiB in use: nearly exhausted")),
        (64 * MIB, 30 * MIB, 412, None),
        (40 * MIB, 0, 412, None),
    ] {
        let memory = Memory {
            usage_bytes: Some(usage),
            inactive_file_bytes: Some(cache),
            limit_bytes: Some(64 * MIB),
            failures: Some(failures),
            ..Memory::default()
        };
        let sentences = reading(&Captured { memory, ..asleep() });
        match expected {
            Some(expected) => assert_eq!(sentences, [format!("memory {expected}")]),
            None => assert!(sentences[0].starts_with("nothing stands out"), "{sentences:?}"),
        }
    }
}

#[test]
fn queues_and_descriptors_are_named_with_their_limits() {
    let listener = |waiting, backlog| Listener { address: "0.0.0.0:8080".into(), waiting, backlog };
    let queue = |waiting, backlog| {
        reading(&Captured { listeners: vec![listener(waiting, backlog)], ..asleep() })
    };
    let at = "listener 0.0.0.0:8080 has";
    let full = format!("{at} 129 of 128 connections waiting: accept queue full");
    assert_eq!(queue(129, Some(128)), [full]);
    assert_eq!(queue(5, Some(128)), [format!("{at} 5 of 128 connections waiting")]);
    assert_eq!(queue(5, None), [format!("{at} 5 connections waiting")]);
    assert!(queue(0, Some(0))[0].starts_with("nothing"), "nobody waits");

    let open = |open| {
        let mut seen = asleep();
        seen.processes[0].descriptors = Descriptors { open, limit: Some(1024), kinds: vec![] };
        reading(&seen)
    };
    let of = "of 1024 descriptors open";
    assert_eq!(open(1024), [format!("process 7 'app' has 1024 {of}: none is left")]);
    assert_eq!(open(1000), [format!("process 7 'app' has 1000 {of}: nearly exhausted")]);
    assert!(open(100)[0].starts_with("nothing"));
}

#[test]
fn sockets_pressure_throttling_and_freezing_are_reported() {
    let count = |what: &str, count| Count { what: what.into(), count };
    let sockets = vec![count("tcp CLOSE_WAIT", 40), count("tcp6 CLOSE_WAIT", 20)];
    let pressure =
        vec![Pressure { of: "io".into(), host: true, some: 40.0, full: 31.0 }, Pressure::default()];
    let cpu = Cpu { throttled_periods: Some(9), throttled_in_sample: 1 };
    let sentences = reading(&Captured { sockets, pressure, cpu, frozen: true, ..asleep() });
    let expected = [
        "the container is frozen (paused): none of it runs",
        "60 connections in CLOSE_WAIT: the process does not close what its peers have",
        "the CPU limit held it back in 1 periods of the sample",
        "tasks of the host stood still for io in 40 % of the last 10 s",
    ];
    assert_eq!(sentences, expected);
}

#[test]
fn evidence_that_is_too_large_loses_stacks_first_and_lists_them() {
    let mut captured = seen((0..200).map(|tid| thread(tid, "S", FUTEX, 0)).collect());
    for thread in &mut captured.processes[0].threads {
        thread.stack = vec!["x".repeat(60); 30];
    }
    captured.log = vec!["line".into(); 100];
    let json = Evidence { captured: captured.clone(), ..Evidence::default() }.fit().unwrap();
    assert!(json.len() <= MOST);
    let kept: Evidence = serde_json::from_slice(&json).unwrap();
    assert_eq!(kept.captured.log.len(), 100);
    assert!(kept.captured.missing[0].starts_with("kernel stacks: left out"));
    assert!(kept.captured.processes[0].threads.iter().all(|thread| thread.stack.is_empty()));

    captured.command_output = Some("\u{1}".repeat(MOST));
    captured.log = vec!["\u{1}".repeat(MOST); 2];
    let json = Evidence { captured, ..Evidence::default() }.fit().unwrap();
    assert!(json.len() <= MOST);
}

#[test]
fn evidence_of_another_version_is_read() {
    let kept: Evidence = serde_json::from_str(r#"{"pod": "web", "later": 1}"#).unwrap();
    assert_eq!(kept.pod, "web");
}
