//! Rules of dependents: containers of the same pod, no init containers, and no circle.

use std::collections::BTreeSet;

use super::{Findings, SpecError};
use crate::spec::{PodSpec, Role};

/// Maximum number of names in all lists of a pod. The search for circles follows all of them for
/// each container.
const MOST: usize = 1000;

pub fn rules(found: &mut Findings, pod: &PodSpec) {
    if pod.dependents.values().map(Vec::len).sum::<usize>() > MOST {
        let why = format!("Too many: must not name more than {MOST} containers");
        return found.add(SpecError::new("spec.dependents", why));
    }
    for (owner, names) in &pod.dependents {
        let field = format!("spec.dependents[{owner}]");
        for name in names.iter().chain([owner]) {
            let why = match pod.place_of(name).map(|place| pod.role_at(place)) {
                None => "names no container of this pod",
                Some(Role::Init) => "an init container does not restart with another",
                Some(Role::Sidecar | Role::Regular) => continue,
            };
            found.add(SpecError::invalid(&field, name, why));
        }
        if restarts_itself(pod, owner) {
            let why = "would restart itself by its dependents";
            found.add(SpecError::invalid(&field, owner, why));
        }
    }
}

fn restarts_itself(pod: &PodSpec, owner: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![owner]);
    while let Some(one) = next.pop() {
        for name in pod.dependents.get(one).into_iter().flatten() {
            if name == owner {
                return true;
            }
            if seen.insert(name) {
                next.push(name);
            }
        }
    }
    false
}
