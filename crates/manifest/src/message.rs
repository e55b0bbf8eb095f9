//! Termination messages, both ways.

use k8s_openapi::api::core::v1 as k8s;

use crate::optional_fields::filled;
use probelet_domain::spec::{ContainerSpec, MessagePolicy, Source, SpecError, TerminationMessage};

pub fn read(
    at: &str,
    path: Option<String>,
    policy: Option<String>,
    errors: &mut Vec<SpecError>,
) -> TerminationMessage {
    let default = TerminationMessage::default();
    let parse = |text: String| {
        let policy = MessagePolicy::parse(&text);
        if policy.is_none() {
            let field = format!("{at}.terminationMessagePolicy");
            let supported = MessagePolicy::ALL.map(MessagePolicy::as_str);
            errors.push(SpecError::unsupported(field, &text, &supported));
        }
        policy
    };
    TerminationMessage {
        path: filled(path).unwrap_or(default.path),
        policy: filled(policy).and_then(parse).unwrap_or(default.policy),
    }
}

/// A container of an OCI bundle has no such file.
pub fn render(spec: &ContainerSpec, out: k8s::Container) -> k8s::Container {
    let TerminationMessage { path, policy } = &spec.termination_message;
    k8s::Container {
        termination_message_path: matches!(spec.source, Source::Image(_)).then(|| path.clone()),
        termination_message_policy: Some(policy.as_str().to_owned()),
        ..out
    }
}
