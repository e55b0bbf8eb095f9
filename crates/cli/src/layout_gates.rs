//! Readiness gates as kubectl describes them.

use k8s_openapi::api::core::v1::{PodCondition, PodReadinessGate};

use super::printed::{Printed, put};

pub fn gates(out: &mut Printed, gates: &[PodReadinessGate], conditions: &[PodCondition]) {
    if gates.is_empty() {
        return;
    }
    put!(out, "Readiness Gates:\n  Type\tStatus");
    for PodReadinessGate { condition_type: kind } in gates {
        let set = conditions.iter().find(|condition| condition.type_ == *kind);
        let status = set.map_or("<none>", |condition| condition.status.as_str());
        put!(out, "  {} \t{} ", kind, status);
    }
}
