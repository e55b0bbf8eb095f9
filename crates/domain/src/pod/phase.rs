//! Phase of a pod, as in the kubelet's `getPhase`.

use crate::exit::Terminated;
use crate::restart;
use crate::spec::{ContainerSpec, PodSpec, Role};
use crate::status::{ContainerState, ContainerStatus, Phase, Stage};

/// Returns the phase of a pod from the statuses of its containers, which are in the order of the
/// spec. `ended` is true if no container of the pod runs or will be restarted.
pub fn phase(
    spec: &PodSpec,
    init: &[ContainerStatus],
    regular: &[ContainerStatus],
    ended: bool,
) -> Phase {
    match initialization(spec, init, regular) {
        Initialization::Failed => return Phase::Failed,
        Initialization::Pending => return Phase::Pending,
        Initialization::Over => {}
    }
    let mut running = init
        .iter()
        .enumerate()
        .any(|(index, status)| spec.role_at(index) == Role::Sidecar && is_running(status));
    let (mut restartable, mut failed) = (false, false);
    for (container, status) in spec.containers.iter().zip(regular) {
        if is_running(status) {
            running = true;
            continue;
        }
        let Some(last) = last_end(status) else { return Phase::Pending };
        failed |= last.exit_code != 0;
        restartable |= goes_on(spec, container, status, last);
    }
    match (running, restartable && !ended, failed) {
        (true, _, _) | (_, true, _) => Phase::Running,
        (_, _, false) => Phase::Succeeded,
        (_, _, true) => Phase::Failed,
    }
}

enum Initialization {
    Failed,
    Pending,
    Over,
}

fn initialization(
    spec: &PodSpec,
    init: &[ContainerStatus],
    regular: &[ContainerStatus],
) -> Initialization {
    let mut pending = false;
    let was_over = regular.iter().any(has_run);
    for (index, (container, status)) in spec.init_containers.iter().zip(init).enumerate() {
        let last = last_end(status);
        match spec.role_at(index) {
            Role::Init if is_running(status) => pending = true,
            Role::Init => match last {
                Some(last) if last.exit_code != 0 && !goes_on(spec, container, status, last) => {
                    return Initialization::Failed;
                }
                Some(_) => {}
                None => pending = true,
            },
            _ => {
                let unstarted = is_running(status) && !status.started;
                let never_ran = !is_running(status) && last.is_none();
                pending |= never_ran || unstarted && !was_over;
            }
        }
    }
    if pending { Initialization::Pending } else { Initialization::Over }
}

/// True if another instance follows the last one: it is being started already, or the restart
/// policy asks for it. An operator can start one under any policy.
fn goes_on(
    spec: &PodSpec,
    container: &ContainerSpec,
    status: &ContainerStatus,
    last: &Terminated,
) -> bool {
    status.stage.goes_on() || !status.given_up && restart::follows(spec, container, last)
}

fn is_running(status: &ContainerStatus) -> bool {
    matches!(status.state, ContainerState::Running { .. })
}

/// Returns whether the container runs, or has run.
pub fn has_run(status: &ContainerStatus) -> bool {
    status.stage == Stage::Running || is_running(status) || last_end(status).is_some()
}

/// Last end of a container that does not run.
fn last_end(status: &ContainerStatus) -> Option<&Terminated> {
    match &status.state {
        ContainerState::Running { .. } => None,
        ContainerState::Terminated(ended) => Some(ended),
        ContainerState::Waiting { .. } => status.last_state.as_ref(),
    }
}
