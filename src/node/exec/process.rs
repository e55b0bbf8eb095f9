//! The OCI process of a command: the container's process with other arguments.

use serde_json::{Map, Value};

use crate::direct_exec::{Namespaces, Refusal};
use crate::node::session::Order;
pub use crate::process::family::COMMAND as MARK;
use probelet_oci::expansion::{Env, TooLong, expand_words};

/// The attributes shared by all commands in one container: user, groups, environment, folder,
/// capabilities, limits, profiles.
#[derive(Debug)]
pub struct Template {
    process: Map<String, Value>,
    env: Env,
    /// The namespaces for commands without the runtime, or why there can be none.
    namespaces: Result<Namespaces, Refusal>,
}

impl Template {
    /// Reads the template from the container's OCI runtime spec.
    pub fn read(spec: &[u8]) -> Result<Self, String> {
        let spec: Value = serde_json::from_slice(spec).map_err(|error| error.to_string())?;
        let process = spec.get("process").and_then(Value::as_object);
        let mut process = process.cloned().ok_or("it has no process")?;
        let mut env = Env::default();
        let lines = process.remove("env").unwrap_or_default();
        env.set_all(
            lines.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned),
        );
        Ok(Self { process, env, namespaces: Namespaces::read(&spec) })
    }

    pub fn command(&self, command: &[String], mark: &str) -> Result<Vec<u8>, TooLong> {
        Ok(self.process(expand_words(command, &self.env)?, mark, false))
    }

    /// Returns the namespaces that a command without the runtime joins.
    pub fn namespaces(&self) -> Result<&Namespaces, Refusal> {
        self.namespaces.as_ref().map_err(Clone::clone)
    }

    pub fn session(&self, order: &Order, mark: &str) -> Vec<u8> {
        self.process(order.command.clone(), mark, order.terminal)
    }

    fn process(&self, args: Vec<String>, mark: &str, terminal: bool) -> Vec<u8> {
        // The mark comes first, where a search finds it soonest.
        let mut env = vec![mark.to_owned()];
        env.extend(self.env.lines().filter(|line| !line.starts_with(MARK)));
        if terminal && !env.iter().any(|line| line.starts_with("TERM=")) {
            env.push("TERM=xterm".to_owned());
        }
        let mut process = self.process.clone();
        process.insert("args".to_owned(), args.into());
        process.insert("env".to_owned(), env.into());
        process.insert("terminal".to_owned(), terminal.into());
        Value::Object(process).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn command(process: &Value, command: &[&str]) -> Value {
        let spec = json!({ "ociVersion": "1.0.2", "process": process }).to_string();
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let template = Template::read(spec.as_bytes()).unwrap();
        serde_json::from_slice(&template.command(&command, "PROBELET_EXEC=1").unwrap()).unwrap()
    }

    #[test]
    fn a_command_is_the_containers_process_with_other_arguments() {
        let own = json!({
            "terminal": true,
            "user": { "uid": 1, "gid": 2, "additionalGids": [3] },
            "args": ["server"],
            "env": ["PATH=/bin", "PORT=80", "PROBELET_EXEC=theirs"],
            "cwd": "/srv",
            "capabilities": { "bounding": ["CAP_KILL"] },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 9, "soft": 9 }],
            "noNewPrivileges": true,
            "apparmorProfile": "a",
            "selinuxLabel": "s",
            "oomScoreAdj": 7,
        });
        let mut expected = own.clone();
        expected["terminal"] = false.into();
        expected["args"] = json!(["check", "80", "$(PORT)", "$(NONE)"]);
        expected["env"] = json!(["PROBELET_EXEC=1", "PATH=/bin", "PORT=80"]);
        let made = command(&own, &["check", "$(PORT)", "$$(PORT)", "$(NONE)"]);
        assert_eq!(made, expected);
    }

    #[test]
    fn who_talks_to_it_is_taken_at_their_word_and_has_a_terminal_where_they_want_one() {
        let spec = json!({ "process": { "env": ["PORT=80"], "cwd": "/" } }).to_string();
        let template = Template::read(spec.as_bytes()).unwrap();
        let made = |terminal| -> Value {
            let order = Order { command: vec!["$(PORT)".to_owned()], stdin: true, terminal };
            serde_json::from_slice(&template.session(&order, "PROBELET_EXEC=1")).unwrap()
        };
        let (plain, on_terminal) = (made(false), made(true));
        assert_eq!((&plain["args"], &plain["terminal"]), (&json!(["$(PORT)"]), &json!(false)));
        assert_eq!(plain["env"], json!(["PROBELET_EXEC=1", "PORT=80"]));
        assert_eq!(on_terminal["terminal"], true);
        assert_eq!(on_terminal["env"], json!(["PROBELET_EXEC=1", "PORT=80", "TERM=xterm"]));
    }

    #[test]
    fn a_process_without_an_environment_will_do() {
        let made = command(&json!({ "cwd": "/" }), &["true"]);
        assert_eq!(made["env"], json!(["PROBELET_EXEC=1"]));
        assert!(Template::read(b"{}").is_err());
    }
}
