//! Labels of adopted containers → their settings.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1 as k8s;

use crate::field_path::member;
use probelet_domain::adopt::{GRACE, LABELS, LIVENESS, READINESS, RESTART, STARTUP, Settings};
use probelet_domain::spec::{ProbeSpec, Probes, RestartPolicy, SpecError, SpecErrors, short_form};
use probelet_domain::time::MAX_LENGTH;

/// Reads the `probelet/…` labels of a container.
///
/// # Errors
///
/// All errors of the labels. A label that has no meaning is an error, because it may be misspelt.
pub fn settings_of_labels(labels: &BTreeMap<String, String>) -> Result<Settings, SpecErrors> {
    let mut errors = Vec::new();
    for label in labels.keys().filter(|label| !LABELS.contains(&label.as_str())) {
        errors.push(SpecError::new(label, "unknown label"));
    }
    let mut probe =
        |label: &str| labels.get(label).and_then(|text| probe(label, text, &mut errors));
    let probes =
        Probes { startup: probe(STARTUP), readiness: probe(READINESS), liveness: probe(LIVENESS) };
    let mut settings = Settings { probes, ..Settings::default() };
    if let Some(text) = labels.get(RESTART) {
        match restart(text) {
            Some((policy, most)) => {
                (settings.restart_policy, settings.max_restarts) = (policy, most)
            }
            None => errors.push(SpecError::unsupported(
                RESTART,
                text,
                &["always", "on-failure", "on-failure:N", "never"],
            )),
        }
    }
    if let Some(text) = labels.get(GRACE) {
        match grace(text) {
            Some(grace) => settings.grace = grace,
            None => {
                errors.push(SpecError::invalid(GRACE, text, "must be a time like 10, 10s or 1m30s"))
            }
        }
    }
    if errors.is_empty() { Ok(settings) } else { Err(SpecErrors(errors)) }
}

/// Reads `always`, `on-failure`, `on-failure:N` (at most N restarts in a row) or `never`: the policy
/// and the limit. `None` for any other text.
pub fn restart(text: &str) -> Option<(RestartPolicy, Option<u32>)> {
    match text.split_once(':') {
        None if text == "always" => Some((RestartPolicy::Always, None)),
        None if text == "on-failure" => Some((RestartPolicy::OnFailure, None)),
        None if text == "never" => Some((RestartPolicy::Never, None)),
        Some(("on-failure", most)) => {
            most.parse().ok().map(|most| (RestartPolicy::OnFailure, Some(most)))
        }
        _ => None,
    }
}

fn grace(text: &str) -> Option<Duration> {
    let length = match text.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(seconds.into())),
        Err(_) => text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok()),
    };
    length.filter(|length| *length <= MAX_LENGTH)
}

/// A probe in short form (`http://:8080/healthz`), or Kubernetes' Probe as JSON.
fn probe(label: &str, text: &str, errors: &mut Vec<SpecError>) -> Option<ProbeSpec> {
    if !text.trim_start().starts_with('{') {
        let handler = short_form::handler(label, text).map_err(|error| errors.push(error));
        return handler.ok().map(ProbeSpec::new);
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read: Result<k8s::Probe, _> = serde_ignored::deserialize(&mut json, |path| {
        let field = path.to_string().replace("?.", "");
        errors.push(SpecError::new(member(label, &field), "unknown field"));
    });
    match read.and_then(|probe| json.end().map(|()| probe)) {
        Ok(probe) => Some(crate::probes::read(label, probe, errors)),
        Err(error) => {
            errors.push(SpecError::new(label, format!("Invalid value: {error}")));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use probelet_domain::spec::{Handler, PortRef};

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SpecErrors> {
        settings_of_labels(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn short_forms_and_json_are_read() {
        let json = r#"{"httpGet": {"port": 80, "path": "/x"}, "periodSeconds": 1}"#;
        let read = read(&[
            (LIVENESS, "http://:8080/healthz"),
            (READINESS, json),
            (RESTART, "on-failure:3"),
            (GRACE, "1m30s"),
        ]);
        let read = read.unwrap();
        assert_eq!(read.restart_policy, RestartPolicy::OnFailure);
        assert_eq!((read.max_restarts, read.grace.as_secs()), (Some(3), 90));
        let ready = read.probes.readiness.unwrap();
        assert_eq!(ready.period.as_secs(), 1);
        let Handler::HttpGet(get) = read.probes.liveness.unwrap().handler else { panic!() };
        assert_eq!(get.port, PortRef::Number(8080));
    }

    #[test]
    fn errors_name_the_label() {
        let wrong = [
            (LIVENESS, "8080"),
            (LIVENESS, r#"{"httpGet": {"port": 80}, "period": 1}"#),
            (LIVENESS, r#"{"httpGet": "#),
            (LIVENESS, "{}"),
            (RESTART, "sometimes"),
            (RESTART, "on-failure:x"),
            (GRACE, "-1s"),
            (GRACE, "2147483648"),
            (GRACE, "9223372036854775807s"),
            ("probelet/livenes", "http://:80"),
        ];
        for (label, value) in wrong {
            let errors = read(&[(label, value)]).unwrap_err();
            assert!(errors.0.iter().all(|e| e.field.starts_with(label)), "{errors}");
        }
    }
}
