//! Carries out the faults of a round, each at its time, and records their targets.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use probelet_integration::proxy::Plan;
use probelet_integration::{Host, SOON, eventually, now, probelet_bin, signal};
use rustix::process::Signal;

use crate::leaks;
use crate::objects::Objects;
use crate::observe::{self, Watcher};
use crate::plan::{Planned, Step, Verb};
use crate::workload::{Member, Workload};

/// The pods of a churn that are deleted right after their creation.
const BRIEF: u64 = 4;
/// How long a verb is repeated after calls were harmed: the deadline of a creation, the pause before
/// its next try, and the usual time.
pub(crate) const HARMED: Duration = Duration::from_secs(150);

/// What a round did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// The faults as text, for the report.
    pub(crate) reported: Vec<String>,
    /// Attempts whose init or shim was killed by SIGKILL.
    pub(crate) killed: BTreeSet<String>,
    /// Those attempts of `killed` whose shim was killed.
    pub(crate) orphaned: BTreeSet<String>,
    /// The containers that an operator's verb named; all of the pod's if it named the pod.
    pub(crate) asked: Vec<usize>,
    /// Those containers of `asked` that probelet stops itself.
    pub(crate) stopped: Vec<usize>,
    /// Pods that were deleted and created again.
    pub(crate) remade: BTreeSet<String>,
    pub(crate) daemon_died: bool,
    pub(crate) containerd_died: bool,
    /// The bundles that existed when containerd was killed.
    pub(crate) bundles: BTreeSet<String>,
    /// Calls to containerd were harmed, or a process hung: what waits for them takes its deadline.
    pub(crate) was_harmed: bool,
}

/// Which of the two run, so that neither is killed or started twice.
struct Up {
    daemon: bool,
    containerd: bool,
}

pub(crate) fn inject(
    host: &mut Host,
    workload: &Workload,
    watcher: &Watcher,
    objects: &mut Objects,
    plan: &[Planned],
) -> Result<Done> {
    let (mut done, mut up) = (Done::default(), Up { daemon: true, containerd: true });
    let (mut verbs, mut shims) = (Vec::new(), Vec::new());
    let harms = |planned: &Planned| {
        matches!(planned.step, Step::Harm(..) | Step::StopContainerd | Step::StopShim(_))
    };
    done.was_harmed = plan.iter().any(harms);
    let patience = if done.was_harmed { HARMED } else { SOON * 2 };
    let begin = now();
    for Planned { at, step } in plan {
        thread::sleep(at.saturating_sub(begin.elapsed()));
        let reported = match *step {
            Step::Do(verb, at) => {
                let member = workload.members.get(at).context("no such member")?.clone();
                done.aim(workload, verb, at);
                let reported = format!("{verb:?} {}", member.key());
                let client = Client { socket: host.socket(), patience };
                let manifest = workload.manifests.iter().find(|(pod, _)| *pod == member.pod);
                let manifest = manifest.map(|(_, text)| text.clone()).unwrap_or_default();
                verbs.push(thread::spawn(move || client.carry_out(verb, &member, &manifest)));
                reported
            }
            Step::KillInit(at) | Step::KillShim(at) => {
                let member = workload.members.get(at).context("no such member")?;
                hit(host, watcher, *step, member, &mut done)
            }
            Step::KillWhileWriting(writes) if up.daemon => {
                let writers = objects.write()?;
                thread::sleep(writes);
                crash(host, Step::KillDaemon, &mut up, &mut done)?;
                format!("KillDaemon while writing, {} requests", objects.follow(writers)?)
            }
            Step::Harm(..) | Step::Heal | Step::StopContainerd | Step::ContinueContainerd => {
                harm(host, *step)?
            }
            Step::StopShim(at) => {
                let member = workload.members.get(at).context("no such member")?;
                stop_shim(host, watcher, member, &mut shims)
            }
            Step::ContinueShims => continue_shims(&mut shims),
            step => {
                crash(host, step, &mut up, &mut done)?;
                format!("{step:?}")
            }
        };
        done.reported.push(format!("{} ms: {reported}", at.as_millis()));
    }
    if done.was_harmed {
        harm(host, Step::ContinueContainerd)?;
        harm(host, Step::Heal)?;
        continue_shims(&mut shims);
    }
    // Overlapping faults may have left one of them down.
    if !up.containerd {
        host.start_containerd()?;
    } else {
        host.wait_containerd()?;
    }
    if !up.daemon {
        host.spawn_daemon()?;
    }
    host.wait_daemon()?;
    for verb in verbs {
        match verb.join() {
            Ok(result) => result?,
            Err(_) => bail!("a verb panicked"),
        }
    }
    Ok(done)
}

fn crash(host: &mut Host, step: Step, up: &mut Up, done: &mut Done) -> Result<()> {
    match step {
        Step::KillDaemon if up.daemon => {
            host.kill_daemon()?;
            (up.daemon, done.daemon_died) = (false, true);
        }
        Step::StartDaemon if !up.daemon => {
            host.spawn_daemon()?;
            up.daemon = true;
        }
        Step::KillContainerd if up.containerd => {
            host.kill_containerd()?;
            (up.containerd, done.containerd_died) = (false, true);
            done.bundles.extend(leaks::names(&leaks::bundles(host)));
        }
        Step::StartContainerd if !up.containerd => {
            host.spawn_containerd()?;
            up.containerd = true;
        }
        _ => {}
    }
    Ok(())
}

fn harm(host: &Host, step: Step) -> Result<String> {
    let proxy = host.proxy().context("no proxy")?;
    match step {
        Step::Harm(fault, percent, seed) => {
            proxy.harm(Plan { percent, seed, ..Plan::all(fault) });
            Ok(format!("{fault:?} of {percent} %"))
        }
        Step::Heal => Ok(format!("Heal, {} harmed", proxy.heal().values().sum::<u64>())),
        step => {
            let is_stop = step == Step::StopContainerd;
            let sent = if is_stop { Signal::STOP } else { Signal::CONT };
            signal(host.containerd_pid(), sent)?;
            Ok(format!("{step:?}"))
        }
    }
}

fn stop_shim(host: &Host, watcher: &Watcher, member: &Member, shims: &mut Vec<u32>) -> String {
    let live = watcher.observe();
    let id = live.keys().find(|id| observe::key(id) == member.key());
    let shim = id.and_then(|id| observe::shim(&host.containerd_socket(), id));
    let Some(pid) = shim else {
        return format!("StopShim {} missed: it does not run", member.key());
    };
    if let Err(error) = signal(pid, Signal::STOP) {
        return format!("StopShim {} missed: {error}", member.key());
    }
    shims.push(pid);
    format!("StopShim {}, pid {pid}", member.key())
}

/// Continues the stopped shims. One that was killed meanwhile is no error.
fn continue_shims(shims: &mut Vec<u32>) -> String {
    let all = std::mem::take(shims);
    for pid in &all {
        let _ = signal(*pid, Signal::CONT);
    }
    format!("ContinueShims {all:?}")
}

fn hit(host: &Host, watcher: &Watcher, step: Step, member: &Member, done: &mut Done) -> String {
    let live = watcher.observe();
    let Some((id, init)) = live.iter().find(|(id, _)| observe::key(id) == member.key()) else {
        return format!("{step:?} {} missed: it does not run", member.key());
    };
    let pid = match step {
        Step::KillShim(_) => observe::shim(&host.containerd_socket(), id),
        _ => Some(init.pid),
    };
    let Some(pid) = pid else { return format!("{step:?} {id} missed: no shim") };
    match signal(pid, Signal::KILL) {
        Ok(()) => {
            done.killed.insert(id.clone());
            if matches!(step, Step::KillShim(_)) {
                done.orphaned.insert(id.clone());
            }
            format!("{step:?} {id}, pid {pid}")
        }
        Err(error) => format!("{step:?} {id} missed: {error}"),
    }
}

impl Done {
    fn aim(&mut self, workload: &Workload, verb: Verb, at: usize) {
        let Some(member) = workload.members.get(at) else { return };
        match verb {
            Verb::Pause => {}
            Verb::Kill => self.asked.push(at),
            Verb::Restart => {
                self.asked.push(at);
                self.stopped.push(at);
            }
            Verb::StopStart | Verb::DeleteApply | Verb::Churn => {
                let of_pod = |(_, one): &(usize, &Member)| one.pod == member.pod;
                let members = workload.members.iter().enumerate().filter(of_pod).map(|(at, _)| at);
                self.stopped.extend(members.clone());
                self.asked.extend(members);
            }
        }
        if matches!(verb, Verb::DeleteApply | Verb::Churn) {
            self.remade.insert(member.pod.clone());
        }
    }
}

struct Client {
    socket: PathBuf,
    /// How long a command is repeated.
    patience: Duration,
}

impl Client {
    /// Runs the commands of a verb. Those that lead to a state (`stop`, `start`, `delete`, `apply`)
    /// are repeated until they succeed, as an operator would; the others run once.
    fn carry_out(&self, verb: Verb, member: &Member, manifest: &str) -> Result<()> {
        let pod = member.pod.as_str();
        let one = ["-c", member.name.as_str(), pod];
        match verb {
            Verb::Restart => self.run(&["restart"], &one, "").map(drop),
            Verb::Kill => self.run(&["kill"], &one, "").map(drop),
            Verb::Pause => self.run(&["pause", "--for", "2s"], &one, "").map(drop),
            Verb::StopStart => {
                self.insist(&["stop"], pod, "")?;
                self.insist(&["start"], pod, "")
            }
            Verb::DeleteApply => {
                self.insist(&["delete", "pod"], pod, "")?;
                self.insist(&["apply", "-f"], "-", manifest)
            }
            Verb::Churn => {
                self.insist(&["delete", "pod"], pod, "")?;
                for round in 0..BRIEF {
                    self.apply_and_delete(pod, manifest, round)?;
                }
                self.insist(&["apply", "-f"], "-", manifest)
            }
        }
    }

    /// Creates the pod and deletes it within 20 ms. In every second round the client that creates
    /// it is killed.
    fn apply_and_delete(&self, pod: &str, manifest: &str, round: u64) -> Result<()> {
        let mut apply = self.spawn(&["apply", "-f", "-"], manifest)?;
        thread::sleep(Duration::from_millis(5 + round * 5));
        if round.is_multiple_of(2) {
            apply.kill()?;
        }
        apply.wait()?;
        self.insist(&["delete", "pod", "--grace-period", "0"], pod, "")
    }

    fn spawn(&self, words: &[&str], stdin: &str) -> Result<Child> {
        let mut command = Command::new(probelet_bin());
        command.arg("--socket").arg(&self.socket).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            // A client that cannot connect ends without reading its input.
            let _ = pipe.write_all(stdin.as_bytes());
        }
        Ok(child)
    }

    fn insist(&self, words: &[&str], last: &str, stdin: &str) -> Result<()> {
        let mut said = String::new();
        let succeeded = eventually("a verb succeeds", self.patience, || {
            said = self.run(words, &[last], stdin).unwrap_or_else(|error| error.to_string());
            let gone = words.first() == Some(&"delete") && said.contains("not found");
            (said.is_empty() || gone).then_some(())
        });
        succeeded.with_context(|| format!("{words:?} {last}: {said}"))
    }

    /// The error text of a command; empty if it succeeded.
    fn run(&self, words: &[&str], more: &[&str], stdin: &str) -> Result<String> {
        let mut command = Command::new("timeout");
        command.arg("30").arg(probelet_bin()).arg("--socket").arg(&self.socket).args(words);
        command.args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            // Not every command reads its input.
            let _ = pipe.write_all(stdin.as_bytes());
        }
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(if output.status.success() { String::new() } else { format!("failed: {said}") })
    }
}
