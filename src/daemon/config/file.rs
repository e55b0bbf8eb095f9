//! The configuration file of `serve`. Its values replace the defaults of the flags: so a flag and an
//! environment variable override it, and the parsers of the flags check its values.

use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use probelet_text::parser_error::plain;

use crate::{files, trusted};

/// The file that is read if none is named.
pub const DEFAULT_FILE: &str = "/etc/probelet/config.toml";
/// Flags that are no keys of the file.
pub const NO_KEYS: [&str; 9] = [
    "config",
    "output",
    "help",
    "version",
    "address",
    "client-certificate",
    "client-key",
    "certificate-authority",
    "tls-server-name",
];

/// An error of the configuration file, with its position.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    #[error("{}: {error}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{position}: {}", error.message())]
    Syntax {
        position: String,
        #[source]
        error: toml::de::Error,
    },
    #[error("{position}: {key}: must be a string, a number or a boolean, not a {kind}")]
    NoScalar { position: String, key: String, kind: &'static str },
    #[error("{position}: unknown key {key:?}")]
    UnknownKey { position: String, key: String },
    #[error("{position}: {key}: {}", first_line(error))]
    Value {
        position: String,
        key: String,
        #[source]
        error: Box<clap::Error>,
    },
}

/// The command with the defaults of the configuration file for the flags of `verb`: of the file `named`,
/// or else of the default file if it exists.
pub fn defaults_from_file(
    command: clap::Command,
    verb: &str,
    named: Option<&Path>,
    default: &Path,
) -> Result<clap::Command, ConfigFileError> {
    let path = named.unwrap_or(default);
    let text = trusted::check(path)
        .map_err(Into::into)
        .and_then(|()| files::read_text(path, files::CONFIGURATION));
    match text {
        Ok(text) => with_file(command, verb, path, &text),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(command),
        Err(error) => Err(ConfigFileError::Unreadable { path: path.to_owned(), error }),
    }
}

fn with_file(
    command: clap::Command,
    verb: &str,
    path: &Path,
    text: &str,
) -> Result<clap::Command, ConfigFileError> {
    let at = |offset: usize| {
        let before = text.get(..offset).unwrap_or_default();
        format!("{}:{}", path.display(), before.matches('\n').count() + 1)
    };
    let table = DeTable::parse(text).map_err(|error| {
        let position = at(error.span().map_or(0, |span| span.start));
        ConfigFileError::Syntax { position, error }
    })?;
    let mut command = command;
    for (key, value) in table.get_ref() {
        let (position, name) = (at(key.span().start), key.get_ref().as_ref());
        let key = name.to_owned();
        let value = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(is) => is.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            other => {
                let kind = other.type_str();
                return Err(ConfigFileError::NoScalar { position, key, kind });
            }
        };
        let Some(changed) = with_default(command, verb, name, value) else {
            return Err(ConfigFileError::UnknownKey { position, key });
        };
        // Checked after each key, so that an error belongs to this key.
        let checked = changed.clone().try_get_matches_from(["probelet", verb]);
        let error = |error| ConfigFileError::Value { position, key, error: Box::new(error) };
        checked.map_err(error)?;
        command = changed;
    }
    Ok(command)
}

/// Sets the default of a flag of `verb`; `None` if no flag has that name.
fn with_default(
    command: clap::Command,
    verb: &str,
    name: &str,
    value: String,
) -> Option<clap::Command> {
    let id = |command: &clap::Command| {
        let mut args = command.get_arguments();
        let arg = args.find(|arg| arg.get_long() == Some(name) && !NO_KEYS.contains(&name))?;
        Some(arg.get_id().as_str().to_owned())
    };
    if let Some(id) = id(&command) {
        return Some(command.mut_arg(id, |arg| arg.default_value(value)));
    }
    let id = command.find_subcommand(verb).and_then(id)?;
    Some(command.mut_subcommand(verb, |verb| verb.mut_arg(id, |arg| arg.default_value(value))))
}

fn first_line(error: &clap::Error) -> String {
    let text = plain(&error.render().to_string());
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
