//! Network configuration files: `*.conflist`, and `*.conf` or `*.json` with one plugin.

use serde_json::{Map, Value};

use super::{Network, Plugin};

/// Supported values of `cniVersion`: those in which a plugin gets the result of the previous one.
const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const LIST: &str = ".conflist";
const SINGLE: [&str; 2] = [".conf", ".json"];

/// Returns the name of the configuration file that is used: the first one in order of name.
pub fn first(names: Vec<String>) -> Option<String> {
    let is_one = |name: &String| name.ends_with(LIST) || SINGLE.iter().any(|e| name.ends_with(e));
    names.into_iter().filter(is_one).min()
}

/// Reads the text of a configuration file. The name of the file decides whether it has one plugin
/// or a list.
///
/// # Errors
///
/// A text with the field that is invalid, without the name of the file.
pub fn parse(file: &str, text: &str) -> Result<Network, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(whole) = value else { return Err("must be a JSON object".into()) };
    let name = required_text(&whole, "name")?;
    if !is_name(&name) {
        let why = "must begin with a letter or digit and go on with these, '.', '_' or '-'";
        return Err(format!("name: Invalid value: {name:?}: {why}"));
    }
    let version = required_text(&whole, "cniVersion")?;
    if !VERSIONS.contains(&version.as_str()) {
        let list = VERSIONS.join(", ");
        return Err(format!(
            "cniVersion: Unsupported value: {version:?}: supported values: {list}"
        ));
    }
    let disable_check = match whole.get("disableCheck") {
        None => false,
        Some(Value::Bool(flag)) => *flag,
        // libcni accepts these texts, too.
        Some(Value::String(text)) if text == "true" || text == "false" => text == "true",
        Some(_) => return Err("disableCheck: must be true or false".into()),
    };
    let plugins = if file.ends_with(LIST) {
        let Some(Value::Array(plugins)) = whole.get("plugins") else {
            return Err("plugins: Required value: a list of plugins".into());
        };
        let read = |(index, plugin): (usize, &Value)| {
            let at = |why: String| format!("plugins[{index}].{why}");
            let config = plugin.as_object().ok_or_else(|| at("type: Required value".into()))?;
            self::plugin(config).map_err(at)
        };
        plugins.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?
    } else {
        vec![plugin(&whole)?]
    };
    if plugins.is_empty() {
        return Err("plugins: Required value: at least one plugin".into());
    }
    Ok(Network { name, version, disable_check, plugins })
}

fn plugin(config: &Map<String, Value>) -> Result<Plugin, String> {
    let kind = required_text(config, "type")?;
    if kind.contains('/') || kind.starts_with('.') {
        return Err(format!("type: Invalid value: {kind:?}: must be the name of a program"));
    }
    Ok(Plugin { kind, config: config.clone() })
}

fn required_text(object: &Map<String, Value>, field: &str) -> Result<String, String> {
    match object.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::String(_)) | None => Err(format!("{field}: Required value")),
        Some(_) => Err(format!("{field}: must be a string")),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
