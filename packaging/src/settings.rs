//! The keys of the configuration file, from the definitions of the flags.

use clap::{Arg, Command};
use probelet::daemon::config::{Config, NO_KEYS};

use crate::Result;

/// A value for each key without a default: what a user may want to set.
const EXAMPLES: [(&str, &str); 10] = [
    ("manifest-dir", "/etc/probelet/manifests"),
    ("metrics-address", "127.0.0.1:9464"),
    ("kube-api", "127.0.0.1:6443"),
    ("log-format", "logfmt"),
    ("listen", "0.0.0.0:7443"),
    ("tls-cert", "/etc/probelet/host.pem"),
    ("tls-key", "/etc/probelet/host.key"),
    ("tls-client-ca", "/etc/probelet/clients.pem"),
    ("registry-config", "/root/.docker/config.json"),
    ("registry-realm", "registry.example.com=https://auth.example.com"),
];

/// One key.
pub struct Setting {
    /// The name, which is also the flag's.
    pub key: String,
    /// The kind of value, such as `PATH`.
    pub value: String,
    /// The default, if the key has one.
    pub default: Option<String>,
    /// The default or an example, as TOML.
    pub toml: String,
    /// The environment variable.
    pub variable: String,
    /// The description, in sentences.
    pub help: String,
    /// The heading of its group.
    pub heading: String,
    /// Whether a running daemon takes over a change at SIGHUP.
    pub is_reloaded: bool,
}

/// All keys, in the order of `serve --help`.
///
/// # Errors
///
/// A flag without a default, an example, a description or a variable.
pub fn of(command: &Command) -> Result<Vec<Setting>> {
    let serve = command.find_subcommand("serve").ok_or("there is no verb serve")?;
    let own = serve.get_arguments();
    let common = command.get_arguments().filter(|flag| flag.get_long() == Some("socket"));
    let keys = common
        .chain(own)
        .filter(|flag| flag.get_long().is_some_and(|name| !NO_KEYS.contains(&name)));
    keys.map(setting).collect()
}

fn setting(flag: &Arg) -> Result<Setting> {
    let key = flag.get_long().unwrap_or_default().to_owned();
    let defaults = flag.get_default_values();
    let default = match defaults {
        [] => None,
        values => {
            let texts: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
            Some(texts.join(","))
        }
    };
    let example = EXAMPLES.iter().find(|(name, _)| *name == key).map(|(_, example)| *example);
    let shown = default.as_deref().or(example);
    let shown = shown.ok_or_else(|| format!("--{key} needs a default, or an example here"))?;
    let variable = flag.get_env().ok_or_else(|| format!("--{key} has no variable"))?;
    let help = flag.get_long_help().or(flag.get_help()).map(ToString::to_string);
    let value = flag.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
    Ok(Setting {
        value: value.unwrap_or_else(|| "VALUE".to_owned()),
        toml: toml(shown),
        default,
        variable: variable.to_string_lossy().into_owned(),
        help: sentence(help.ok_or_else(|| format!("--{key} has no description"))?),
        heading: flag.get_help_heading().unwrap_or("Daemon").to_owned(),
        is_reloaded: Config::RELOADED.contains(&key.as_str()),
        key,
    })
}

/// The text with the full stop at its end that clap removes.
fn sentence(text: String) -> String {
    if text.ends_with(['.', ']']) { text } else { text + "." }
}

/// A number or a boolean as it is, everything else as a string.
fn toml(value: &str) -> String {
    let is_plain = value.parse::<bool>().is_ok() || value.parse::<f64>().is_ok();
    if is_plain { value.to_owned() } else { format!("{value:?}") }
}
