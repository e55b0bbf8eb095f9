use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use probelet::cli::{self, Cli, Command, ListenArgs, LogFormat, ServeArgs, UsageError};
use probelet::daemon::{Remote, TlsFiles};
use probelet::logs::logger;
use probelet::process::descriptors;
use probelet::shared_pids::holder;
use probelet::{daemon, metrics};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// As clap's wrong usage.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    // Before anything that costs memory or time: a container waits for it.
    if let Some(code) = logger::run_if_asked().or_else(holder::run_if_asked) {
        return code;
    }
    match cli::parse(std::env::args_os()) {
        Ok(Cli { socket, command: Command::Serve(args), .. }) => {
            serve(ServeArgs { socket, ..*args })
        }
        Ok(cli) => client(&cli),
        Err(UsageError::Words(error)) => error.exit(),
        Err(UsageError::File(text)) => {
            let _ = writeln!(io::stderr(), "error: {text}");
            ExitCode::from(BAD_CONFIGURATION)
        }
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
    if let Err(error) = descriptors::raise() {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
    let remote = match listen(args.listen) {
        Ok(remote) => remote,
        Err(text) => {
            let _ = writeln!(io::stderr(), "error: {text}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let metrics = match args.metrics_address.map(|at| (at, metrics::bind(at))) {
        None => None,
        Some((_, Ok(listener))) => Some(listener),
        Some((at, Err(error))) => {
            let _ = writeln!(io::stderr(), "error: --metrics-address {at}: {error}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let config = daemon::Config {
                socket: args.socket,
                containerd_address: args.containerd_address,
                containerd_namespace: args.containerd_namespace,
                watch_namespaces: args.watch_namespaces,
                adopted_log_dirs: args.adopted_log_dirs,
                run_dir: args.run_dir,
                log_dir: args.log_dir,
                manifest_dir: args.manifest_dir,
                log_limits: args.logs.limits(),
                seccomp_dir: args.seccomp_dir,
                registries: args.registry.registries(),
                data_dir: args.data_dir,
                cni_conf_dir: args.cni_conf_dir,
                cni_bin_dirs: args.cni_bin_dir,
                brake: args.brake.limits(),
            };
            runtime.block_on(daemon::serve(config, metrics, remote))
        }
        Err(error) => Err(error.into()),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

fn listen(args: ListenArgs) -> Result<Option<Remote>, String> {
    let Some((at, [cert, key, client_ca])) = args.all()? else { return Ok(None) };
    let files = TlsFiles { cert, key, client_ca };
    Remote::bind(at, &files).map(Some).map_err(|error| error.to_string())
}

/// `RUST_LOG` decides how much, `info` without it.
fn log_to_stderr(format: Option<LogFormat>) {
    let on_terminal = io::stderr().is_terminal();
    let format = format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Logfmt });
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(on_terminal);
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Logfmt => subscriber
            .event_format(tracing_logfmt::EventsFormatter::default())
            .fmt_fields(tracing_logfmt::FieldsFormatter::default())
            .init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
