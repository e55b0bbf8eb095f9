//! Restart policies and the rules beside them, both ways.

use k8s_openapi::api::core::v1 as k8s;

use probelet_domain::spec::{
    ExitCodeOperator, RestartAction, RestartPolicy, RestartRule, SpecError,
};

/// The policy of this name; nothing if none is set.
pub fn read(
    field: &str,
    policy: Option<String>,
    errors: &mut Vec<SpecError>,
) -> Option<RestartPolicy> {
    match policy?.as_str() {
        "" => None,
        "Always" => Some(RestartPolicy::Always),
        "OnFailure" => Some(RestartPolicy::OnFailure),
        "Never" => Some(RestartPolicy::Never),
        other => {
            let supported = ["Always", "OnFailure", "Never"];
            errors.push(SpecError::unsupported(field, other, &supported));
            None
        }
    }
}

pub fn render(policy: RestartPolicy) -> String {
    let name = match policy {
        RestartPolicy::Always => "Always",
        RestartPolicy::OnFailure => "OnFailure",
        RestartPolicy::Never => "Never",
    };
    name.to_owned()
}

pub fn read_rules(
    at: &str,
    given: Option<Vec<k8s::ContainerRestartRule>>,
    errors: &mut Vec<SpecError>,
) -> Vec<RestartRule> {
    let given = given.unwrap_or_default().into_iter().enumerate();
    given.filter_map(|(index, given)| read_rule(&format!("{at}[{index}]"), given, errors)).collect()
}

fn read_rule(
    at: &str,
    given: k8s::ContainerRestartRule,
    errors: &mut Vec<SpecError>,
) -> Option<RestartRule> {
    let action = match given.action.as_str() {
        "Restart" => Some(RestartAction::Restart),
        "RestartAllContainers" => Some(RestartAction::RestartAllContainers),
        other => {
            let supported = ["Restart", "RestartAllContainers"];
            errors.push(SpecError::unsupported(format!("{at}.action"), other, &supported));
            None
        }
    };
    let at = format!("{at}.exitCodes");
    let Some(codes) = given.exit_codes else {
        errors.push(SpecError::required(at, "must be specified"));
        return None;
    };
    let operator = match codes.operator.as_str() {
        "In" => Some(ExitCodeOperator::In),
        "NotIn" => Some(ExitCodeOperator::NotIn),
        other => {
            let supported = ["In", "NotIn"];
            errors.push(SpecError::unsupported(format!("{at}.operator"), other, &supported));
            None
        }
    };
    Some(RestartRule {
        action: action?,
        operator: operator?,
        values: codes.values.unwrap_or_default(),
    })
}

pub fn render_rule(rule: &RestartRule) -> k8s::ContainerRestartRule {
    let action = match rule.action {
        RestartAction::Restart => "Restart",
        RestartAction::RestartAllContainers => "RestartAllContainers",
    };
    let operator = match rule.operator {
        ExitCodeOperator::In => "In",
        ExitCodeOperator::NotIn => "NotIn",
    };
    k8s::ContainerRestartRule {
        action: action.to_owned(),
        exit_codes: Some(k8s::ContainerRestartRuleOnExitCodes {
            operator: operator.to_owned(),
            values: Some(rule.values.clone()),
        }),
    }
}
