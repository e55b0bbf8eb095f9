use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use probelet::cli::{self, Cli, Command, LogFormat, ServeArgs};
use probelet::daemon;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    match Cli::parse() {
        Cli { socket, command: Command::Serve(args) } => serve(ServeArgs { socket, ..args }),
        cli => client(&cli),
    }
}

fn client(cli: &Cli) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut io = cli::Io { out: &mut out, err: &mut err };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(cli, &mut io)),
        Err(error) => Err(error.into()),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    for line in error.lines() {
        // With stderr gone too there is no one left to tell.
        let _ = writeln!(err, "{line}");
    }
    ExitCode::from(error.exit_code())
}

fn serve(args: ServeArgs) -> ExitCode {
    log_to_stderr(args.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(daemon::serve(daemon::Config {
            socket: args.socket,
            containerd_address: args.containerd_address,
            containerd_namespace: args.containerd_namespace,
            run_dir: args.run_dir,
            log_dir: args.log_dir,
            registries: args.registry.registries(),
            brake: args.brake.limits(),
        })),
        Err(error) => Err(error.into()),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

/// `RUST_LOG` decides how much, `info` without it.
fn log_to_stderr(format: LogFormat) {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
