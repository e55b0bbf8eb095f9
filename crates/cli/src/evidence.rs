//! Evidence in `describe pod --evidence`: the reading first, then the data that it is derived from.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::error::{Error, Result};
use super::evidence_details::{Captured, Count, Evidence, Process, Thread};
use super::objects::timestamp;
use super::printed::{Printed, put};
use super::times::rfc1123;
use probelet_api::{pb, structs};

/// The number of threads of a process that are printed; the API has all.
const THREADS: usize = 20;

pub fn layout(stored: &[pb::Evidence]) -> Result<Printed> {
    let mut out = Printed::default();
    if stored.is_empty() {
        put!(out, "Evidence:  <none>");
        return Ok(out);
    }
    put!(out, "Evidence:");
    for one in stored {
        let details = structs::to_json(one.details.clone().unwrap_or_default());
        let evidence: Evidence = serde_json::from_value(details).map_err(Error::Evidence)?;
        let at = rfc1123(timestamp(one.at).map(Time).as_ref());
        put!(out, "  Attempt {} of {}, {}:", one.attempt, evidence.container, at);
        describe(&mut out, &evidence);
    }
    Ok(out)
}

fn describe(out: &mut Printed, evidence: &Evidence) {
    for sentence in &evidence.reading {
        put!(out, "    {}", sentence);
    }
    put!(out, "    Cause: {}", &evidence.cause);
    for probe in &evidence.probes {
        let (kind, outcome, took) = (&probe.kind, &probe.outcome, probe.latency_milliseconds);
        let (good, bad, errors) = (probe.successes, probe.failures, probe.errors);
        put!(
            out,
            "    Probe {}: {} in {} ms ({} successes, {} failures, {} \
             errors): {}",
            kind,
            outcome,
            took,
            good,
            bad,
            errors,
            probe.output.lines().next().unwrap_or_default()
        );
    }
    let seen = &evidence.captured;
    resources(out, seen);
    for process in &seen.processes {
        processes(out, process, seen.sample_milliseconds);
    }
    put!(out, "    Sockets: {}", counts(&seen.sockets));
    for listener in &seen.listeners {
        let most = listener.backlog.map_or("?".to_owned(), |most| most.to_string());
        put!(out, "      {}  {} of {} waiting", listener.address, listener.waiting, most);
    }
    block(out, "Command", seen.command_output.iter().flat_map(|text| text.lines()));
    block(out, "Log", seen.log.iter().map(String::as_str));
    for missing in &seen.missing {
        put!(out, "    Missing: {}", missing);
    }
    let (took, sample) = (seen.took_milliseconds, seen.sample_milliseconds);
    put!(out, "    Captured in {} ms, threads over {} ms", took, sample);
}

fn resources(out: &mut Printed, seen: &Captured) {
    let memory = &seen.memory;
    let mut line = format!("resident {}", mebi(memory.resident_bytes));
    if let Some(usage) = memory.usage_bytes {
        line += &format!(", cgroup {}", mebi(usage));
    }
    line += &memory.limit_bytes.map_or(", no limit".into(), |l| format!(" of {}", mebi(l)));
    for (what, count) in [("failures", memory.failures), ("OOM kills", memory.oom_kills)] {
        line += &count.map_or_else(String::new, |count| format!(", {count} {what}"));
    }
    put!(out, "    Memory: {}", line);
    if let Some(periods) = seen.cpu.throttled_periods {
        put!(out, "    CPU limit: throttled in {} periods", periods);
    }
    let shares = seen.pressure.iter().map(|one| {
        let of_host = if one.host { " (host)" } else { "" };
        format!("{}{of_host} {:.1}/{:.1} %", one.of, one.some, one.full)
    });
    put!(out, "    Pressure (some/full, 10 s): {}", shares.collect::<Vec<_>>().join(", "));
}

fn processes(out: &mut Printed, process: &Process, sample: u64) {
    let descriptors = &process.descriptors;
    let limit = descriptors.limit.map_or("no limit".to_owned(), |limit| limit.to_string());
    put!(
        out,
        "    Process {} '{}' ({}), {}, {} threads",
        process.pid,
        &process.name,
        process.state,
        mebi(process.resident_bytes),
        process.thread_count
    );
    put!(
        out,
        "      Descriptors: {} of {}: {}",
        descriptors.open,
        limit,
        counts(&descriptors.kinds)
    );
    let mut threads: Vec<&Thread> = process.threads.iter().collect();
    // The busiest threads first.
    threads.sort_by_key(|thread| std::cmp::Reverse(thread.ran_microseconds));
    let mut rows = Printed::default();
    put!(rows, "      TID\tNAME\tS\tCPU\tUSER\tSYSTEM\tWCHAN\tSYSCALL");
    for thread in threads.iter().take(THREADS) {
        let used = thread.ran_microseconds as f64 / (sample.max(1) as f64 * 10.0);
        let (user, system) = (thread.user_milliseconds, thread.system_milliseconds);
        put!(
            rows,
            "      {}\t{}\t{}\t{}%\t{}ms\t{}ms\t{}\t{}",
            thread.tid,
            &thread.name,
            thread.state,
            format!("{:.0}", used),
            user,
            system,
            thread.wchan,
            thread.syscall
        );
    }
    out.append(&rows.elastic(2));
    if threads.len() > THREADS {
        put!(out, "      and {} more threads", threads.len() - THREADS);
    }
    // Each stack once: the threads of a pool have the same one.
    let mut shown: Vec<&[String]> = Vec::new();
    for thread in threads.iter().filter(|thread| !thread.stack.is_empty()) {
        if !shown.contains(&thread.stack.as_slice()) && shown.len() < 5 {
            shown.push(&thread.stack);
            put!(out, "      Stack of {}: {}", thread.tid, thread.stack.join(" < "));
        }
    }
}

fn block<'a>(out: &mut Printed, title: &str, lines: impl Iterator<Item = &'a str>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        put!(out, "    {}:", title);
    }
    for line in lines {
        put!(out, "      {}", line);
    }
}

fn counts(all: &[Count]) -> String {
    if all.is_empty() {
        return "<none>".to_owned();
    }
    let shown = all.iter().map(|one| format!("{} {}", one.count, one.what));
    shown.collect::<Vec<_>>().join(", ")
}

fn mebi(bytes: u64) -> String {
    format!("{:.1}Mi", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use probelet_domain::evidence::{
        Captured, Count, Cpu, Descriptors, Evidence, Listener, Memory, Pressure, ProbeRecord,
        Process, Thread,
    };

    #[test]
    fn the_reading_comes_first_and_no_text_of_the_container_controls_the_terminal() {
        let thread = |tid: u32| Thread {
            tid,
            name: "w\u{1b}[2J".into(),
            state: "S".into(),
            wchan: "futex_do_wait".into(),
            stack: vec!["futex_do_wait".into(), "do_futex".into()],
            ..Thread::default()
        };
        let process = Process {
            pid: 7,
            name: "app".into(),
            threads: (0..30).map(thread).collect(),
            ..Process::default()
        };
        let captured = Captured {
            processes: vec![process],
            log: vec!["\u{1b}]0;x\u{7}".into()],
            ..Captured::default()
        };
        let reading = vec!["looks deadlocked".to_owned()];
        let evidence =
            Evidence { container: "app".into(), reading, captured, ..Evidence::default() };
        let details = structs::from_json(serde_json::to_value(&evidence).unwrap()).unwrap();
        let stored = pb::Evidence { attempt: 3, details: Some(details), ..pb::Evidence::default() };
        let shown = layout(&[stored]).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "Evidence:");
        assert!(lines[1].starts_with("  Attempt 3 of app"));
        assert_eq!(lines[2], "    looks deadlocked");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        assert!(shown.contains("and 10 more threads"), "{shown:?}");
        assert_eq!(shown.matches("Stack of").count(), 1, "{shown:?}");
        assert_eq!(layout(&[]).unwrap(), "Evidence:  <none>\n");
    }

    /// The daemon and the client have types of their own for the details.
    #[test]
    fn each_value_of_the_daemons_evidence_is_printed() {
        let count = |what: &str, count| Count { what: what.into(), count };
        let thread = Thread {
            tid: 11,
            name: "main".into(),
            state: "R".into(),
            wchan: "do_wait".into(),
            syscall: "read".into(),
            ran_microseconds: 500,
            user_milliseconds: 12,
            system_milliseconds: 13,
            stack: vec!["do_wait".into()],
            ..Thread::default()
        };
        let process = Process {
            pid: 14,
            name: "app".into(),
            state: "S".into(),
            resident_bytes: 15 << 20,
            thread_count: 16,
            threads: vec![thread],
            descriptors: Descriptors { open: 17, limit: Some(18), kinds: vec![count("pipe", 19)] },
        };
        let memory = Memory {
            resident_bytes: 20 << 20,
            usage_bytes: Some(21 << 20),
            limit_bytes: Some(22 << 20),
            failures: Some(23),
            oom_kills: Some(24),
            ..Memory::default()
        };
        let captured = Captured {
            took_milliseconds: 25,
            sample_milliseconds: 1,
            processes: vec![process],
            listeners: vec![Listener { address: "[::]:80".into(), waiting: 26, backlog: Some(27) }],
            sockets: vec![count("tcp LISTEN", 28)],
            memory,
            cpu: Cpu { throttled_periods: Some(29), ..Cpu::default() },
            pressure: vec![Pressure { of: "io".into(), host: true, some: 30.0, full: 31.0 }],
            log: vec!["last line".into()],
            command_output: Some("dump".into()),
            missing: vec!["stack".into()],
            ..Captured::default()
        };
        let probe = ProbeRecord {
            kind: "liveness".into(),
            outcome: "failure".into(),
            output: "refused".into(),
            latency_milliseconds: 32,
            successes: 33,
            failures: 34,
            errors: 35,
        };
        let evidence = Evidence {
            container: "app".into(),
            cause: "liveness".into(),
            probes: vec![probe],
            captured,
            ..Evidence::default()
        };
        let details = structs::from_json(serde_json::to_value(&evidence).unwrap()).unwrap();
        let stored = pb::Evidence { attempt: 3, details: Some(details), ..pb::Evidence::default() };
        let text = layout(&[stored]).unwrap();
        for expected in [
            "Attempt 3 of app",
            "Cause: liveness",
            "liveness: failure in 32 ms (33 successes, 34 failures, 35 errors): refused",
            "resident 20.0Mi, cgroup 21.0Mi of 22.0Mi, 23 failures, 24 OOM kills",
            "throttled in 29 periods",
            "io (host) 30.0/31.0 %",
            "Process 14 'app' (S), 15.0Mi, 16 threads",
            "Descriptors: 17 of 18: 19 pipe",
            "11   main  R  50%  12ms  13ms    do_wait  read",
            "Stack of 11: do_wait",
            "Sockets: 28 tcp LISTEN",
            "[::]:80  26 of 27 waiting",
            "dump",
            "last line",
            "Missing: stack",
            "Captured in 25 ms, threads over 1 ms",
        ] {
            assert!(text.contains(expected), "no {expected} in {}", &*text);
        }
    }
}
