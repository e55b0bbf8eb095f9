//! Kills the daemon, containerd, shims and containers at random moments while 30 containers with
//! mixed probes run, and checks from outside after each round.
//!
//! The seed decides the faults, their targets and their times. How they coincide with what the
//! daemon does at that moment is not repeatable.

mod event_checks;
mod inject;
mod judge;
mod leaks;
mod objects;
mod observe;
mod plan;
mod status;
mod workload;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use probelet_integration::{Host, SOON, eventually, free_address, now};

use event_checks::EventChecks;
use judge::Judge;
use leaks::Leaks;
use objects::Objects;
use observe::Watcher;
use plan::Planner;
use workload::Workload;

const USAGE: &str = "usage: chaos [--rounds 500] [--seed N] [--proxy yes] [--faults NAME,...]";
/// Leaks are searched after each this many rounds, because the search needs some time without
/// faults.
const QUIET: u32 = 10;
/// The longest time until all containers are in their expected state.
const SETTLED: Duration = Duration::from_secs(30);

fn main() -> Result<ExitCode> {
    let Arguments { rounds, seed, faults, has_proxy } = arguments()?;
    let planner = Planner::new(seed, &faults, has_proxy)?;
    let proxy = if has_proxy { " --proxy yes" } else { "" };
    println!(
        "seed {seed}, {rounds} rounds; again with: scripts/chaos --rounds {rounds} --seed {seed}{proxy}"
    );
    let mut host = Host::start()?;
    host.import("prober-target")?;
    let address = free_address()?;
    host.flags = vec!["--kube-api".to_owned(), address.clone()];
    if has_proxy {
        host.put_proxy()?;
    }
    host.start_daemon()?;
    let objects = Objects::begin(&host, &address)?;
    let result = run(&mut host, rounds, seed, planner, objects);
    if !matches!(result, Ok(0)) {
        host.show_logs();
        keep_logs(&host, seed);
    }
    Ok(if result? == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Arguments {
    rounds: u32,
    seed: u64,
    faults: Vec<String>,
    /// Whether a proxy stands before containerd.
    has_proxy: bool,
}

fn arguments() -> Result<Arguments> {
    let seed = fastrand::u64(0..1_000_000);
    let mut order = Arguments { rounds: 500, seed, faults: Vec::new(), has_proxy: false };
    let words: Vec<String> = std::env::args().skip(1).collect();
    for pair in words.chunks(2) {
        match pair {
            [flag, value] if flag == "--rounds" => order.rounds = value.parse()?,
            [flag, value] if flag == "--seed" => order.seed = value.parse()?,
            [flag, value] if flag == "--proxy" => order.has_proxy = value == "yes",
            [flag, value] if flag == "--faults" => {
                order.faults = value.split(',').map(str::to_owned).collect();
            }
            _ => bail!(USAGE),
        }
    }
    Ok(order)
}

/// Runs the rounds and returns the number of violations. The run ends with the first round that has
/// violations.
fn run(
    host: &mut Host,
    rounds: u32,
    seed: u64,
    mut planner: Planner,
    mut objects: Objects,
) -> Result<usize> {
    let workload = Workload::thirty();
    for (_, manifest) in &workload.manifests {
        host.apply(manifest)?;
    }
    let watcher = Watcher::start(host.namespace());
    let (picture, faults) = Judge::settle(host, &workload, &watcher, SETTLED);
    if !faults.is_empty() {
        return Ok(report(0, seed, &[], &faults));
    }
    let drops_ended = !host.ctr(["version"])?.contains("1.6.");
    let mut event_checks = EventChecks::begin(host, picture.table.clone())?;
    let mut judge = Judge::begin(picture, drops_ended);
    let mut leaks = Leaks::begin(host);
    let begin = now();
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds {
        let this = now();
        let plan = planner.round(&workload);
        let done = inject::inject(host, &workload, &watcher, &mut objects, &plan)?;
        leaks.excuse(&done);
        let bound = if done.was_harmed { inject::HARMED } else { SETTLED };
        let (picture, mut faults) = Judge::settle(host, &workload, &watcher, bound);
        faults.extend(event_checks.judge(&workload, &done, &picture.table, status::events(host)?));
        faults.extend(judge.judge(&workload, &watcher, &done, picture));
        faults.extend(objects.judge());
        if round % QUIET == 0 || round == rounds {
            faults.extend(
                leaks
                    .find(host, &workload, &watcher)
                    .into_iter()
                    .map(|one| format!("left behind: {one}")),
            );
        }
        if !faults.is_empty() {
            return Ok(report(round, seed, &done.reported, &faults));
        }
        slowest = slowest.max(this.elapsed());
        println!(
            "round {round} ({:.1} s): {}",
            this.elapsed().as_secs_f64(),
            done.reported.join(", ")
        );
    }
    for (pod, _) in &workload.manifests {
        host.probelet(["delete", "pod", pod])?;
    }
    if let Err(error) = host.expect_nothing_left() {
        return Ok(report(rounds, seed, &["deleted all".to_owned()], &[format!("{error:#}")]));
    }
    let _ =
        eventually("all processes have ended", SOON, || watcher.observe().is_empty().then_some(()));
    let total = begin.elapsed().as_secs_f64();
    println!(
        "{rounds} rounds in {total:.0} s ({:.2} s a round, the slowest {:.1} s), seed {seed}: no violations",
        total / f64::from(rounds.max(1)),
        slowest.as_secs_f64()
    );
    Ok(0)
}

fn report(round: u32, seed: u64, reported: &[String], faults: &[String]) -> usize {
    for fault in faults {
        eprintln!("error: round {round}, seed {seed}: {fault}");
    }
    eprintln!("round {round}, seed {seed} did: {}", reported.join(", "));
    faults.len()
}

/// Copies the logs of a failed run to the folder in CHAOS_KEEP, if it is set.
fn keep_logs(host: &Host, seed: u64) {
    let Some(folder) = std::env::var_os("CHAOS_KEEP") else { return };
    for name in ["probelet.log", "containerd.log"] {
        let to = std::path::Path::new(&folder).join(format!("{seed}-{name}"));
        if let Err(error) = std::fs::copy(host.path(name), &to) {
            eprintln!("cannot keep {}: {error}", to.display());
        }
    }
}
