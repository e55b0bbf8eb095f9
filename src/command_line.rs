//! The command line: `serve`, which is the daemon's, and the verbs of the client.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::build_info;
use crate::daemon::check;
use crate::daemon::config::{Config, ConfigFileError, DEFAULT_FILE, Settings, defaults_from_file};
use probelet_cli::{Connection, Verb};

pub mod completion;
mod other_tools;
#[cfg(test)]
mod tests;
mod usage;

#[derive(Debug, Parser)]
#[command(name = "probelet", version = build_info::line(), about, propagate_version = true)]
pub struct CommandLine {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs whose flags may be keys of the configuration file.
const CONFIGURED: [&str; 2] = ["serve", "check"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon.
    Serve(Box<Config>),
    /// Check whether this host has what the daemon needs; needs no daemon.
    #[command(
        long_about = "Check whether this host has what the daemon needs: containerd, runc, the kernel, \
                      cgroups, CNI, folders, certificates. It reads the configuration as `serve` does. \
                      Each line is good, degraded (with what then does not work) or broken (with what \
                      to do). The exit status is 1 if something is broken. Needs no daemon."
    )]
    Check(Box<check::Args>),
    #[command(flatten)]
    Client(Verb),
    /// Print a shell's completion script, which completes the names of pods, containers and images too:
    /// `source <(probelet completion bash)`.
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

/// Reads the command line of `serve` and the configuration file, with the values of all flags.
///
/// # Errors
///
/// The same as of [`parse`].
pub fn parse_serve(
    args: impl IntoIterator<Item = OsString>,
) -> Result<(Config, Settings), UsageError> {
    serve_with(args, Path::new(DEFAULT_FILE))
}

fn serve_with(
    args: impl IntoIterator<Item = OsString>,
    default_file: &Path,
) -> Result<(Config, Settings), UsageError> {
    let (command, matches) = matches_with(args, default_file)?;
    let line = CommandLine::from_arg_matches(&matches)?;
    let (Command::Serve(config), Some(serve)) = (line.command, matches.subcommand_matches("serve"))
    else {
        let text = "the command line is not that of a daemon\n";
        return Err(CommandLine::command().error(ErrorKind::InvalidSubcommand, text).into());
    };
    let flags = command.find_subcommand("serve").map(clap::Command::get_arguments);
    let flags = flags.into_iter().flatten().chain(command.get_arguments());
    let values = flags.filter_map(|flag| {
        let values = serve.try_get_raw(flag.get_id().as_str()).ok().flatten();
        let values = values.map(|values| values.map(ToOwned::to_owned).collect());
        Some((flag.get_long()?.to_owned(), values.unwrap_or_default()))
    });
    let settings = values.collect();
    Ok((config.with_socket(line.connection.socket().clone()), settings))
}

fn parse_with(
    args: impl IntoIterator<Item = OsString>,
    default_file: &Path,
) -> Result<CommandLine, UsageError> {
    let (_, matches) = matches_with(args, default_file)?;
    Ok(CommandLine::from_arg_matches(&matches)?)
}

/// The command with the defaults of the configuration file, and the values of the arguments.
fn matches_with(
    args: impl IntoIterator<Item = OsString>,
    default_file: &Path,
) -> Result<(clap::Command, clap::ArgMatches), UsageError> {
    let args: Vec<_> = args.into_iter().collect();
    let mut command = CommandLine::command();
    let mut matches = command.clone().try_get_matches_from(&args)?;
    let first = matches.clone();
    let configured = first.subcommand().filter(|(verb, _)| CONFIGURED.contains(verb));
    if let Some((verb, serve)) = configured {
        if serve.value_source("address") == Some(ValueSource::CommandLine) {
            let text = "--address is for clients; a daemon has --listen\n";
            return Err(command.error(ErrorKind::ArgumentConflict, text).into());
        }
        let named = serve.get_one::<PathBuf>("config_file").map(PathBuf::as_path);
        command = defaults_from_file(command, verb, named, default_file)?;
        matches = command.clone().try_get_matches_from(&args)?;
    }
    Ok((command, matches))
}

/// The error of a command line as text, with what to type instead, and with colours if `is_coloured`.
pub fn usage_text(error: &clap::Error, args: &[String], is_coloured: bool) -> String {
    let command = CommandLine::command();
    let verbs: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    usage::text(error, args, &verbs, is_coloured)
}
