use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use probelet::build_info;
use probelet::command_line::{self, Command, CommandLine, UsageError, completion};
use probelet::daemon::check;
use probelet::daemon::config::Settings;
use probelet::daemon::reload::Source;
use probelet::daemon::{self, BoundListeners, Config, NamespaceLock};
use probelet::direct_exec;
use probelet::logs::logger;
use probelet::process::descriptors;
use probelet::shared_pids::holder;
use probelet_cli::{self as cli, Connection, Verb};
use probelet_text::escape::Escaped;
use rustix::fs::Mode;
use rustix::process::umask;

/// The time that threads which read or write a file get to finish at exit.
const LAST_READS: Duration = Duration::from_secs(1);
/// The exit code for a bad configuration, the same as clap's for wrong usage.
const BAD_CONFIGURATION: u8 = 2;

/// Runs a process that the daemon has started from its own binary.
fn helper() -> Option<ExitCode> {
    logger::run_if_asked().or_else(holder::run_if_asked).or_else(direct_exec::run_if_asked)
}

fn main() -> ExitCode {
    // This comes before anything that costs memory or time, because a container waits for it.
    if let Some(code) = helper() {
        return code;
    }
    match completion::answer(CommandLine::command) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        // The shell shows nothing of it: a message would be in the middle of the command line.
        Err(_) => return ExitCode::FAILURE,
    }
    match command_line::parse(std::env::args_os()) {
        Ok(CommandLine { connection, command }) => match command {
            Command::Serve(_) => serve(),
            Command::Check(args) => check(&connection, *args),
            Command::Client(verb) => client(&connection, &verb),
            Command::Completion { shell } => completion_script(shell),
        },
        Err(UsageError::Arguments(error)) => wrong_usage(&error),
        Err(error @ UsageError::File(_)) => bad_configuration(&error),
    }
}

/// Prints clap's error, or the help or version that was asked for, and returns clap's exit code.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let has_colours = std::env::var_os("NO_COLOR").is_none();
    // A failed write cannot be reported anywhere.
    let _ = if error.use_stderr() {
        let is_coloured = has_colours && io::stderr().is_terminal();
        write!(io::stderr(), "{}", command_line::usage_text(error, &args, is_coloured))
    } else {
        let is_coloured = has_colours && io::stdout().is_terminal();
        write!(io::stdout(), "{}", command_line::usage_text(error, &args, is_coloured))
    };
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn client(connection: &Connection, verb: &Verb) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let is_terminal = err.is_terminal();
    let has_screen = io::stdin().is_terminal()
        && out.is_terminal()
        && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    let io = cli::Io::new(&mut out, &mut err);
    let mut io = io.for_person(is_terminal).with_screen(has_screen);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(connection, verb, &build_info::line(), &mut io)),
        Err(error) => Err(error.into()),
    };
    exit_code(result, &mut io)
}

fn check(connection: &Connection, args: check::Args) -> ExitCode {
    let config = args.config.with_socket(connection.socket().clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let findings = match runtime {
        Ok(runtime) => runtime.block_on(check::run(&config)),
        Err(error) => return failure(&error),
    };
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut io = cli::Io::new(&mut out, &mut err);
    let written = io.raw(check::render(&findings, args.output).as_bytes());
    match exit_code(written, &mut io) {
        ExitCode::SUCCESS if check::is_broken(&findings) => ExitCode::FAILURE,
        code => code,
    }
}

fn completion_script(shell: clap_complete::Shell) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut io = cli::Io::new(&mut out, &mut err);
    let script = completion::script(shell).map_err(Into::into);
    let written = script.and_then(|script| io.raw(&script));
    exit_code(written, &mut io)
}

fn exit_code(result: cli::Result<()>, io: &mut cli::Io<'_>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // A failed write to stderr cannot be reported anywhere.
    let _ = io.report(&error);
    ExitCode::from(error.exit_code())
}

fn report(error: &str) {
    // A failed write to stderr cannot be reported anywhere.
    let _ = writeln!(io::stderr(), "error: {}", Escaped(error));
}

fn bad_configuration(error: &dyn std::error::Error) -> ExitCode {
    report(&error.to_string());
    ExitCode::from(BAD_CONFIGURATION)
}

fn failure(error: &dyn std::error::Error) -> ExitCode {
    report(&error.to_string());
    ExitCode::FAILURE
}

/// Reads the configuration, also again while the daemon runs.
fn configuration() -> Result<(Config, Settings), UsageError> {
    command_line::parse_serve(std::env::args_os())
}

fn serve() -> ExitCode {
    let (config, settings) = match configuration() {
        Ok(read) => read,
        Err(error) => return bad_configuration(&error),
    };
    // The umask that the daemon inherits is unknown.
    umask(Mode::WGRP | Mode::WOTH);
    let log = daemon::log_to_stderr(config.log_format, config.log_level);
    if let Err(error) = descriptors::raise() {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
    let listeners = match BoundListeners::bind(&config) {
        Ok(listeners) => listeners,
        Err(error) => return bad_configuration(&error),
    };
    let read = Box::new(|| configuration().map_err(Into::into));
    let source = Source::new(read, settings, log);
    // Released when this function ends, after all threads that work for the daemon.
    let mut lock = NamespaceLock::of(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let served = match runtime {
        Ok(runtime) => {
            let served = runtime.block_on(daemon::serve(config, listeners, source, &mut lock));
            // Without a timeout this would wait forever for a thread whose disk does not answer.
            runtime.shutdown_timeout(LAST_READS);
            served
        }
        Err(error) => return failure(&error),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}
