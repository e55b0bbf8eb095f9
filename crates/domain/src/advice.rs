//! Advice on a pod's probes, as an experienced operator would give it. Advice rejects nothing.

use std::time::Duration;

use super::spec::{ContainerSpec, Handler, OnFailure, PodSpec, ProbeKind, ProbeSpec, Role};

mod command;

use command::{calls_a_client, dependency, retries, starts_a_jvm};

/// If a probe can kill a container sooner than this after its start, the container has too little
/// time to start.
const TIGHT: Duration = Duration::from_secs(30);

/// One piece of advice: what is wrong, why, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Stable name of the advice.
    pub code: &'static str,
    /// Path of the field that the advice is about.
    pub field: String,
    /// Text of the advice: the reason for it, and what to do instead.
    pub text: String,
}

/// Advice on the probes of a pod's containers. Init containers get none.
pub fn advise(pod: &PodSpec) -> Vec<Advice> {
    let mut all = Vec::new();
    for (index, container) in pod.all().enumerate() {
        // An init container ends by itself.
        if pod.role_at(index) != Role::Init {
            of_container(&pod.field_at(index), container, &mut all);
        }
    }
    all
}

fn of_container(at: &str, container: &ContainerSpec, all: &mut Vec<Advice>) {
    let mut say = |code: &'static str, field: &str, text: String| {
        let field = if field.is_empty() { at.to_owned() } else { format!("{at}.{field}") };
        all.push(Advice { code, field, text });
    };
    let probes = &container.probes;
    let Some(liveness) = &probes.liveness else {
        let text = "nothing notices when it hangs without exiting: give it a livenessProbe that \
                    asks the process itself";
        say("no-liveness-probe", "", text.to_owned());
        return of_probes(container, &mut say);
    };
    let failing = liveness.period.saturating_mul(liveness.failure_threshold.saturating_sub(1));
    let patience = liveness.initial_delay.saturating_add(failing);
    if probes.startup.is_none() && liveness.initial_delay.is_zero() && patience < TIGHT {
        let text = format!(
            "a start that takes longer than {} s is killed, again and again: give it a \
             startupProbe, which the others wait for, or an initialDelaySeconds",
            patience.as_secs()
        );
        say("no-time-to-start", "livenessProbe", text);
    }
    if liveness.failure_threshold == 1 && liveness.on_failure != Some(OnFailure::Notify) {
        let text = "one lost packet or one slow answer ends it: a failureThreshold of 3 ends it \
                    only for a failure that lasts";
        say("one-failure-kills", "livenessProbe.failureThreshold", text.to_owned());
    }
    if let Some(readiness) = &probes.readiness
        && readiness.handler == liveness.handler
        && readiness.failure_threshold >= liveness.failure_threshold
        && readiness.period >= liveness.period
    {
        let text = "it is the same check as the liveness probe and fails no earlier, so a \
                    container that is only busy is killed instead of taken out of service: let \
                    readiness fail first, or give liveness a simpler check";
        say("readiness-is-liveness", "readinessProbe", text.to_owned());
    }
    of_probes(container, &mut say);
}

fn of_probes(container: &ContainerSpec, say: &mut impl FnMut(&'static str, &str, String)) {
    for kind in ProbeKind::ALL {
        let Some(probe) = container.probes.get(kind) else { continue };
        of_probe(&format!("{}Probe", kind.lower()), kind, probe, say);
    }
}

fn of_probe(
    at: &str,
    kind: ProbeKind,
    probe: &ProbeSpec,
    say: &mut impl FnMut(&'static str, &str, String),
) {
    if probe.timeout > probe.period {
        let text = format!(
            "at {} s it is longer than the period of {} s: the next attempt waits for it, so a \
             hang is noticed later than the numbers say; make it shorter than the period",
            probe.timeout.as_secs_f64(),
            probe.period.as_secs_f64()
        );
        say("timeout-exceeds-period", &format!("{at}.timeoutSeconds"), text);
    }
    let asked = match &probe.handler {
        Handler::HttpGet(get) => dependency(get.host.as_deref(), &get.path),
        Handler::TcpSocket(tcp) => dependency(tcp.host.as_deref(), ""),
        Handler::Grpc(grpc) => dependency(None, &grpc.service),
        Handler::Exec(exec) => {
            of_command(&format!("{at}.exec.command"), &exec.command, say);
            command::dependency_of(&exec.command)
        }
    };
    if let (Some(what), ProbeKind::Liveness) = (asked, kind) {
        let text = format!(
            "it seems to ask {what}: when that is down every container that asks it is killed, \
             and a restart does not help; ask only the process itself, and leave dependencies to \
             readiness"
        );
        say("liveness-asks-a-dependency", at, text);
    }
}

fn of_command(at: &str, command: &[String], say: &mut impl FnMut(&'static str, &str, String)) {
    if starts_a_jvm(command) {
        let text = "each attempt starts a Java virtual machine, which needs much memory and CPU and \
                    times out on a busy host: use httpGet or grpc";
        say("probe-starts-a-jvm", at, text.to_owned());
    }
    if let Some(client) = calls_a_client(command) {
        let text = format!(
            "each attempt starts {client}, which has to be in the image, and in Kubernetes its \
             children outlive a timeout: httpGet, tcpSocket or grpc do the same without a process"
        );
        say("probe-runs-a-client", at, text);
    }
    if retries(command) {
        let text = "it retries by itself, so its timeout ends it in the middle and \
                    failureThreshold counts groups of tries: try once, and let the threshold count";
        say("probe-retries", at, text.to_owned());
    }
}

#[cfg(test)]
mod tests;
