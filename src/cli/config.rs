//! The configuration file of `serve`. What it says takes the place of the flags' defaults: so a
//! flag and an environment variable go before it, and its values are checked by the flags' own
//! parsers.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};
use toml::de::{DeTable, DeValue};

use super::Cli;

const DEFAULT: &str = "/etc/probelet/config.toml";
/// Flags that make no sense in the file.
const NO_KEYS: [&str; 8] = [
    "config",
    "help",
    "version",
    "address",
    "client-certificate",
    "client-key",
    "certificate-authority",
    "tls-server-name",
];

#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error(transparent)]
    Words(#[from] clap::Error),
    /// File, line and key are in it.
    #[error("{0}")]
    File(String),
}

/// The command line, and for `serve` what the configuration file adds to it.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, UsageError> {
    parse_with(words, Path::new(DEFAULT))
}

fn parse_with(
    words: impl IntoIterator<Item = OsString>,
    default: &Path,
) -> Result<Cli, UsageError> {
    let words: Vec<_> = words.into_iter().collect();
    let command = Cli::command();
    let mut matches = command.clone().try_get_matches_from(&words)?;
    if let Some(serve) = matches.subcommand_matches("serve") {
        if serve.value_source("address") == Some(ValueSource::CommandLine) {
            let text = "--address is where a client goes; a daemon has --listen\n";
            let mut command = command;
            return Err(command.error(ErrorKind::ArgumentConflict, text).into());
        }
        let named = serve.get_one::<PathBuf>("config");
        let path = named.map_or(default, PathBuf::as_path);
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let command = with_file(command, path, &text).map_err(UsageError::File)?;
                matches = command.try_get_matches_from(&words)?;
            }
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(UsageError::File(format!("{}: {error}", path.display()))),
        }
    }
    Ok(Cli::from_arg_matches(&matches)?)
}

fn with_file(command: clap::Command, path: &Path, text: &str) -> Result<clap::Command, String> {
    let at = |offset: usize| {
        let before = text.get(..offset).unwrap_or_default();
        format!("{}:{}", path.display(), before.matches('\n').count() + 1)
    };
    let table = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        format!("{}: {}", at(start), error.message())
    })?;
    let mut command = command;
    for (key, value) in table.get_ref() {
        let (place, name) = (at(key.span().start), key.get_ref().as_ref());
        let value = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(is) => is.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            other => {
                let kind = other.type_str();
                return Err(format!(
                    "{place}: {name}: must be a string, a number or a boolean, not a {kind}"
                ));
            }
        };
        command =
            with_default(command, name, value).ok_or(format!("{place}: unknown key {name:?}"))?;
        // One key at a time, so that what is wrong is this one.
        let checked = command.clone().try_get_matches_from(["probelet", "serve"]);
        checked.map_err(|error| format!("{place}: {name}: {}", first_line(&error)))?;
    }
    Ok(command)
}

/// None where no flag of `serve` has that name.
fn with_default(command: clap::Command, name: &str, value: String) -> Option<clap::Command> {
    let id = |command: &clap::Command| {
        let mut args = command.get_arguments();
        let arg = args.find(|arg| arg.get_long() == Some(name) && !NO_KEYS.contains(&name))?;
        Some(arg.get_id().as_str().to_owned())
    };
    if let Some(id) = id(&command) {
        return Some(command.mut_arg(id, |arg| arg.default_value(value)));
    }
    let id = command.find_subcommand("serve").and_then(id)?;
    Some(command.mut_subcommand("serve", |serve| serve.mut_arg(id, |arg| arg.default_value(value))))
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Command, ServeArgs};
    use super::*;

    fn serve(file: &str, flags: &[&str]) -> Result<ServeArgs, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        let words = ["probelet", "serve"].iter().chain(flags).map(OsString::from);
        match parse_with(words, &path) {
            Ok(Cli { socket, command: Command::Serve(args), .. }) => {
                Ok(ServeArgs { socket, ..*args })
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                let text = error.to_string();
                Err(text.replace(&folder.path().display().to_string(), "DIR"))
            }
        }
    }

    #[test]
    fn each_flag_of_serve_is_a_key() {
        let mut flags = Vec::new();
        let root = Cli::command();
        let serve = root.find_subcommand("serve").unwrap();
        for arg in root.get_arguments().chain(serve.get_arguments()) {
            let long = arg.get_long().unwrap();
            if NO_KEYS.contains(&long) {
                continue;
            }
            let default = arg.get_default_values().first().map(|v| v.to_str().unwrap().to_owned());
            let value = default.unwrap_or_else(|| match long {
                "metrics-address" => "127.0.0.1:1".to_owned(),
                "log-format" => "json".to_owned(),
                "manifest-dir" => "/etc/probelet/manifests".to_owned(),
                "listen" => "127.0.0.1:7443".to_owned(),
                "tls-cert" | "tls-key" | "tls-client-ca" => "/x/file.pem".to_owned(),
                "registry-config" => "/x/config.json".to_owned(),
                "registry-realm" => "r.example=https://auth.example".to_owned(),
                other => panic!("a value for {other}?"),
            });
            let name = format!("PROBELET_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().unwrap(), name.as_str());
            flags.push(format!("{long} = {value:?}"));
        }
        assert!(flags.len() >= 14);
        self::serve(&flags.join("\n"), &[]).unwrap();
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let file = "socket = '/file'\nkill-burst = 3\nno-brake = true\nstorm-share = 0.25\n";
        let args = serve(file, &["--kill-burst", "4"]).unwrap();
        assert_eq!((args.socket, args.brake.kill_burst), (PathBuf::from("/file"), 4));
        assert_eq!(args.brake.kill_refill, Duration::from_secs(6));
        assert_eq!(args.brake.storm_share, 0.25);
        assert!(args.brake.no_brake);
        assert!(!serve(file, &["--no-brake=false"]).unwrap().brake.no_brake);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let cases = [
            ("# here\n\nkill-brust = 3", "DIR/config.toml:3: unknown key \"kill-brust\""),
            ("config = 'x'", "DIR/config.toml:1: unknown key \"config\""),
            (
                "\nkill-refill = '1ms'",
                "DIR/config.toml:2: kill-refill: invalid value '1ms' for '--kill-refill <DURATION>': \
                 must be from 100ms to 1h",
            ),
            (
                "metrics-address = 'here'",
                "DIR/config.toml:1: metrics-address: invalid value 'here' for '--metrics-address \
                 <ADDR>': invalid socket address syntax",
            ),
            (
                "[brake]\nburst = 1",
                "DIR/config.toml:1: brake: must be a string, a number or a boolean, not a table",
            ),
        ];
        for (file, expected) in cases {
            assert_eq!(serve(file, &[]).unwrap_err(), expected);
        }
        let garbled = serve("socket = '/a'\nlog-dir = ", &[]).unwrap_err();
        assert!(garbled.starts_with("DIR/config.toml:2: "), "{garbled}");
    }

    #[test]
    fn only_a_file_that_is_asked_for_must_be_there() {
        let words = |more: &[&str]| -> Vec<OsString> {
            ["probelet", "serve"].iter().chain(more).map(OsString::from).collect()
        };
        let nowhere = Path::new("/nonexistent/config.toml");
        parse_with(words(&[]), nowhere).unwrap();
        let error = parse_with(words(&["--config", "/nonexistent/x"]), nowhere).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/x: "), "{error}");
    }
}
