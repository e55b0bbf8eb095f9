//! The command line: `serve`, which is the daemon's, and the verbs of the client.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::{Connection, Verb};
use crate::daemon::config::{Config, ConfigFileError, DEFAULT_FILE, defaults_from_file};

#[cfg(test)]
mod tests;

#[derive(Debug, Parser)]
#[command(name = "probelet", version, about, propagate_version = true)]
pub struct CommandLine {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon.
    Serve(Box<Config>),
    #[command(flatten)]
    Client(Verb),
    /// Print a shell's completion script: `source <(probelet completion bash)`.
    Completion { shell: clap_complete::Shell },
}

/// The reason that a command line is not valid.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error(transparent)]
    Arguments(#[from] clap::Error),
    #[error(transparent)]
    File(#[from] ConfigFileError),
}

/// Reads the command line; for `serve` the configuration file gives the defaults.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<CommandLine, UsageError> {
    parse_with(args, Path::new(DEFAULT_FILE))
}

fn parse_with(
    args: impl IntoIterator<Item = OsString>,
    default_file: &Path,
) -> Result<CommandLine, UsageError> {
    let args: Vec<_> = args.into_iter().collect();
    let mut command = CommandLine::command();
    let mut matches = command.clone().try_get_matches_from(&args)?;
    if let Some(serve) = matches.subcommand_matches("serve") {
        if serve.value_source("address") == Some(ValueSource::CommandLine) {
            let text = "--address is for clients; a daemon has --listen\n";
            return Err(command.error(ErrorKind::ArgumentConflict, text).into());
        }
        let named = serve.get_one::<PathBuf>("config_file").map(PathBuf::as_path);
        let command = defaults_from_file(command, named, default_file)?;
        matches = command.try_get_matches_from(&args)?;
    }
    Ok(CommandLine::from_arg_matches(&matches)?)
}

/// The completion script of a shell.
pub fn completion(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "probelet", &mut script);
    script
}
