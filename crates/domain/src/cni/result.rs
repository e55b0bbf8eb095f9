//! What plugins answer.

use core::net::IpAddr;

use serde_json::Value;

use super::Command;

/// Whether a plugin's stdout is a result that the next plugin can be handed.
pub fn is_result(answer: &Value) -> bool {
    answer.is_object() && answer.get("code").is_none()
}

/// The pod's own addresses, IPv4 first as in containerd. Those of the host's ends are not.
pub fn addresses(result: &Value) -> Vec<String> {
    let list = |name: &str| result.get(name).and_then(Value::as_array).into_iter().flatten();
    let interfaces: Vec<_> = list("interfaces").collect();
    let is_inside = |ip: &&Value| {
        let index = ip.get("interface").and_then(Value::as_u64);
        let interface = index.and_then(|at| interfaces.get(usize::try_from(at).ok()?));
        let sandbox = interface.map(|it| it.get("sandbox").and_then(Value::as_str));
        // A plugin that names no interface means the pod's.
        sandbox.is_none_or(|sandbox| sandbox.is_some_and(|path| !path.is_empty()))
    };
    let address = |ip: &Value| {
        let text = ip.get("address")?.as_str()?.split('/').next()?;
        text.parse::<IpAddr>().ok()
    };
    let mut ips: Vec<IpAddr> = list("ips").filter(is_inside).filter_map(address).collect();
    ips.sort_by_key(IpAddr::is_ipv6);
    ips.iter().map(ToString::to_string).collect()
}

/// A failed plugin in libcni's words: what it answered, else what it wrote.
pub fn complaint(kind: &str, command: Command, stdout: &str, stderr: &str, ended: &str) -> String {
    let told: Option<String> = serde_json::from_str::<Value>(stdout).ok().and_then(|answer| {
        let text =
            |field: &str| answer.get(field).and_then(Value::as_str).filter(|t| !t.is_empty());
        let details = text("details").map(|details| format!("; {details}")).unwrap_or_default();
        text("msg").map(|msg| format!("{msg}{details}"))
    });
    let written = [stderr, stdout].into_iter().map(str::trim).find(|text| !text.is_empty());
    let why = told.or_else(|| written.map(|text| format!("{ended}: {text}")));
    let why = why.unwrap_or_else(|| ended.to_owned());
    format!("plugin type={kind:?} failed ({}): {why}", command.as_str().to_lowercase())
}
