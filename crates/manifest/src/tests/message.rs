use std::time::Duration;

use super::*;
use probelet_domain::spec::{MessagePolicy, TerminationMessage};

#[test]
fn a_termination_message_has_kubernetes_defaults() {
    let message = |lines: &str| {
        let parsed = read(&with_container(lines)).unwrap();
        assert_eq!(parsed.warnings, [""; 0]);
        parsed.spec.containers[0].termination_message.clone()
    };
    let (path, policy) = ("/dev/termination-log".to_owned(), MessagePolicy::File);
    assert_eq!(message(""), TerminationMessage { path: path.clone(), policy });
    let fallback = MessagePolicy::FallbackToLogsOnError;
    assert_eq!(
        message("terminationMessagePolicy: FallbackToLogsOnError"),
        TerminationMessage { path, policy: fallback }
    );
    let given = message("terminationMessagePath: /tmp/last\nterminationMessagePolicy: File");
    assert_eq!(given, TerminationMessage { path: "/tmp/last".into(), policy });
}

#[test]
fn an_unknown_policy_and_a_relative_path_are_refused_by_name() {
    let supported = "supported values: \"FallbackToLogsOnError\", \"File\"";
    assert_eq!(
        refusals(&with_container("terminationMessagePolicy: Never\nterminationMessagePath: last")),
        [
            format!(
                "spec.containers[0].terminationMessagePolicy: Unsupported value: \"Never\": \
                 {supported}"
            ),
            "spec.containers[0].terminationMessagePath: Invalid value: \"last\": must be an \
             absolute path"
                .to_owned(),
        ]
    );
}

#[test]
fn an_active_deadline_is_read_and_bounded() {
    let read = |seconds: i64| read(&format!("{STORY}  activeDeadlineSeconds: {seconds}\n"));
    let parsed = read(60).unwrap();
    assert_eq!(parsed.spec.active_deadline, Some(Duration::from_secs(60)));
    for seconds in [0, -1, 1 << 31] {
        let refused = read(seconds).unwrap_err().to_string();
        let why = format!(
            "spec.activeDeadlineSeconds: Invalid value: {seconds}: must be between 1 and \
             2147483647, inclusive"
        );
        assert!(refused.contains(&why), "{refused}");
    }
}
