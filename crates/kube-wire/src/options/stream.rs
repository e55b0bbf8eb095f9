//! Options of exec, attach and port-forward.

use crate::query::{ParameterError, Query};
use crate::status::Status;

/// Most ports of one port-forward connection.
const MAX_PORTS: usize = 64;

/// Options of exec and attach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandOptions {
    /// The container; `None` if the pod has only one.
    pub container: Option<String>,
    /// The command and its arguments; empty for attach.
    pub command: Vec<String>,
    /// True if the client sends input.
    pub stdin: bool,
    /// True if the client wants the standard output.
    pub stdout: bool,
    /// True if the client wants the standard error. A terminal has only the output.
    pub stderr: bool,
    /// True for a terminal.
    pub tty: bool,
}

impl CommandOptions {
    /// Reads the options of exec, which needs a command.
    pub fn exec(query: &Query) -> Result<Self, Status> {
        let options = Self::attach(query)?;
        if options.command.is_empty() {
            return Err(Status::bad_request("you must specify a command for exec"));
        }
        Ok(options)
    }

    /// Reads the options of attach.
    pub fn attach(query: &Query) -> Result<Self, Status> {
        let flag = |name| query.flag(name).unwrap_or(false);
        let tty = flag("tty");
        let options = Self {
            container: query.text("container").map(str::to_owned),
            command: query.all("command").map(str::to_owned).collect(),
            stdin: flag("stdin"),
            stdout: flag("stdout"),
            stderr: flag("stderr") && !tty,
            tty,
        };
        if !(options.stdin || options.stdout || flag("stderr")) {
            return Err(Status::bad_request(
                "you must specify at least 1 of stdin, stdout, stderr",
            ));
        }
        Ok(options)
    }
}

/// The ports of `portforward?ports=80&ports=81` or `ports=80,81`. Empty for clients that name the
/// port in each stream, as kubectl does.
pub fn forwarded_ports(query: &Query) -> Result<Vec<u16>, Status> {
    let texts = query.all("ports").flat_map(|value| value.split(','));
    let port = |text: &str| {
        let port = text.parse().ok().filter(|port| *port > 0);
        port.ok_or_else(|| ParameterError::value("ports", text, "must be from 1 to 65535"))
    };
    let ports: Vec<_> = texts.take(MAX_PORTS + 1).map(port).collect::<Result<_, _>>()?;
    if ports.len() > MAX_PORTS {
        return Err(Status::bad_request(format!("at most {MAX_PORTS} ports can be forwarded")));
    }
    Ok(ports)
}
