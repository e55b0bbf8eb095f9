//! Results and errors of plugins.

use core::net::IpAddr;

use serde_json::Value;

use super::Command;

/// Returns whether a plugin's stdout is a result, which the next plugin can get, and not an error.
pub fn is_result(answer: &Value) -> bool {
    answer.is_object() && answer.get("code").is_none()
}

/// Returns the IP addresses of the pod, IPv4 first as in containerd. Addresses of interfaces
/// outside the pod's sandbox are left out.
pub fn addresses(result: &Value) -> Vec<String> {
    let list = |name: &str| result.get(name).and_then(Value::as_array).into_iter().flatten();
    let interfaces: Vec<_> = list("interfaces").collect();
    let is_inside = |ip: &&Value| {
        let index = ip.get("interface").and_then(Value::as_u64);
        let interface = index.and_then(|at| interfaces.get(usize::try_from(at).ok()?));
        let sandbox = interface.map(|it| it.get("sandbox").and_then(Value::as_str));
        // An address without an interface is one of the pod.
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

/// Returns libcni's error for a failed plugin, with the message of its answer, else `ended` and its
/// output.
pub fn complaint(kind: &str, command: Command, stdout: &str, stderr: &str, ended: &str) -> String {
    let message: Option<String> = serde_json::from_str::<Value>(stdout).ok().and_then(|answer| {
        let text =
            |field: &str| answer.get(field).and_then(Value::as_str).filter(|t| !t.is_empty());
        let details = text("details").map(|details| format!("; {details}")).unwrap_or_default();
        text("msg").map(|msg| format!("{msg}{details}"))
    });
    let written = [stderr, stdout].into_iter().map(str::trim).find(|text| !text.is_empty());
    let why = message.or_else(|| written.map(|text| format!("{ended}: {text}")));
    let why = why.unwrap_or_else(|| ended.to_owned());
    format!("plugin type={kind:?} failed ({}): {why}", command.as_str().to_lowercase())
}
