use std::time::Duration;

use super::*;
use probelet_domain::spec::{
    Exec, ExitCodeOperator, HookHandler, Lifecycle, RestartAction, RestartRule,
};

const WHOLE: &str = "
lifecycle:
  postStart: {exec: {command: [/bin/warm]}}
  preStop: {sleep: {seconds: 5}}
  stopSignal: SIGRTMIN+3
restartPolicy: Never
restartPolicyRules:
- {action: Restart, exitCodes: {operator: In, values: [42]}}
";

#[test]
fn hooks_signals_and_rules_are_read_and_shown_again() {
    let parsed = read(&with_container(WHOLE)).unwrap();
    let container = &parsed.spec.containers[0];
    let exec = Exec { command: vec!["/bin/warm".into()] };
    let lifecycle = Lifecycle {
        post_start: Some(HookHandler::Exec(exec)),
        pre_stop: Some(HookHandler::Sleep(Duration::from_secs(5))),
        stop_signal: Some(37),
        ..Lifecycle::default()
    };
    assert_eq!(container.lifecycle, lifecycle);
    let operator = ExitCodeOperator::In;
    let rule = RestartRule { action: RestartAction::Restart, operator, values: vec![42] };
    assert_eq!(container.restart_policy_rules, [rule]);
    parsed.spec.clone().validate().unwrap();
    let shown = render::pod_spec(&parsed.spec);
    let again = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": parsed.spec.name}, "spec": shown,
    });
    let again = parse_value(again, "u".into()).unwrap().spec;
    assert_eq!(again.containers, parsed.spec.containers);
}

/// The errors of parsing or, if there are none, of the validation.
fn wrong(text: &str) -> Vec<String> {
    let errors = match read(text) {
        Err(errors) => errors.0,
        Ok(parsed) => parsed.spec.validate().unwrap_err().0,
    };
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn an_invalid_hook_is_reported_with_its_field() {
    let at = "spec.containers[0]";
    for (given, error) in [
        (
            "lifecycle: {preStop: {tcpSocket: {port: 1}}}",
            "lifecycle.preStop.tcpSocket: Forbidden: a tcpSocket is no lifecycle handler",
        ),
        (
            "lifecycle: {postStart: {}}",
            "lifecycle.postStart: Required value: must specify a handler type",
        ),
        (
            "lifecycle: {preStop: {sleep: {seconds: 1}, exec: {command: [x]}}}",
            "lifecycle.preStop.sleep: Forbidden: may not specify more than 1 handler type",
        ),
        (
            "lifecycle: {preStop: {sleep: {seconds: 31}}}",
            "lifecycle.preStop.sleep.seconds: Invalid value: 31: must be non-negative and less \
             than terminationGracePeriodSeconds (30)",
        ),
        (
            "lifecycle: {preStop: {exec: {command: []}}}",
            "lifecycle.preStop.exec.command: Required value",
        ),
        (
            "lifecycle: {stopSignal: SIGNOPE}",
            "lifecycle.stopSignal: Invalid value: \"SIGNOPE\": must be a signal's name",
        ),
        (
            "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
            "restartPolicy: Required value: must specify restartPolicy when restart rules are used",
        ),
        (
            "restartPolicy: Never\nrestartPolicyRules: [{action: Restart}]",
            "restartPolicyRules[0].exitCodes: Required value: must be specified",
        ),
        (
            "restartPolicy: Never\n\
             restartPolicyRules: [{action: Stop, exitCodes: {operator: In, values: [1]}}]",
            "restartPolicyRules[0].action: Unsupported value: \"Stop\": supported values: \
             \"Restart\", \"RestartAllContainers\"",
        ),
    ] {
        assert_eq!(wrong(&with_container(given)), [format!("{at}.{error}")], "{given}");
    }
}

#[test]
fn the_settings_of_evidence_are_annotations() {
    let key = "probelet.io/kubia.evidence";
    let annotated = |more: &str| {
        let annotations = format!("metadata:\n  annotations:\n{more}");
        with_container("").replacen("metadata:\n", &annotations, 1)
    };
    let text = format!("    {key}Signal: SIGQUIT\n    {key}Exec: jstack 'a b'\n");
    let parsed = read(&annotated(&text)).unwrap();
    let lifecycle = &parsed.spec.containers[0].lifecycle;
    let exec = Exec { command: vec!["jstack".into(), "a b".into()] };
    assert_eq!((lifecycle.evidence_signal, &lifecycle.evidence_exec), (Some(3), &Some(exec)));
    let shown = annotations::render(&parsed.spec);
    assert_eq!(shown["probelet.io/kubia.evidenceSignal"], "SIGQUIT");
    assert_eq!(shown["probelet.io/kubia.evidenceExec"], "jstack 'a b'");
    assert!(render::pod_spec(&parsed.spec).containers[0].lifecycle.is_none());

    for (given, why) in [
        ("Signal: SIGX", "Signal]: Invalid value: \"SIGX\": must be a signal's name"),
        (
            "Signal: KILL",
            "Signal]: Invalid value: \"SIGKILL\": must be a signal that the process can handle",
        ),
        ("Exec: \"'\"", "Exec]: Invalid value: \"'\": must be a command with its quotes closed"),
        ("Exec: \"\"", "Exec]: Required value"),
    ] {
        let errors = match read(&annotated(&format!("    {key}{given}\n"))) {
            Err(errors) => errors,
            Ok(parsed) => validate(parsed.spec).unwrap_err(),
        };
        assert_eq!(errors.to_string(), format!("metadata.annotations[{key}{why}"));
    }
}

#[test]
fn limits_of_restarts_are_annotations_of_their_container() {
    let with = |setting: &str, value: &str| {
        let annotations =
            format!("metadata:\n  annotations: {{'probelet.io/kubia.{setting}': '{value}'}}");
        STORY.replace("metadata:", &annotations)
    };
    let limits = |setting, value| {
        read(&with(setting, value)).unwrap().spec.validate().unwrap().containers[0].backoff
    };
    assert_eq!(limits("maxRestarts", "5").max_restarts, Some(5));
    assert_eq!(limits("backoffBaseMilliseconds", "500").base, Duration::from_millis(500));
    assert_eq!(limits("backoffCapMilliseconds", "20000").cap, Duration::from_secs(20));
    assert_eq!(limits("backoffResetMilliseconds", "1000").reset, Duration::from_secs(1));
    let spec = read(&with("maxRestarts", "5")).unwrap().spec;
    let shown = annotations::render(&spec);
    assert_eq!(shown.get("probelet.io/kubia.maxRestarts").map(String::as_str), Some("5"));
    let field = "metadata.annotations[probelet.io/kubia.maxRestarts]";
    let wrong = format!("{field}: Invalid value: \"few\": must be a whole number");
    assert_eq!(refusals(&with("maxRestarts", "few")), [wrong]);
}
