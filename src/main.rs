use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use probelet::cli::{self, Cli, Command, ListenArgs, ServeArgs, UsageError};
use probelet::daemon::{Remote, TlsFiles, log_to_stderr};
use probelet::domain::printable::Escaped;
use probelet::logs::logger;
use probelet::process::descriptors;
use probelet::shared_pids::holder;
use probelet::{daemon, metrics};
use rustix::fs::Mode;
use rustix::process::umask;

/// The time that threads which read or write a file get to finish at exit.
const LAST_READS: Duration = Duration::from_secs(1);
/// The exit code for a bad configuration, the same as clap's for wrong usage.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    // This comes before anything that costs memory or time, because a container waits for it.
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
            report(&text);
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

fn client(cli: &Cli) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut io = cli::Io::new(&mut out, &mut err);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(cli, &mut io)),
        Err(error) => Err(error.into()),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    // A failed write to stderr cannot be reported anywhere.
    let _ = io.tell(&error);
    ExitCode::from(error.exit_code())
}

fn report(error: &str) {
    // A failed write to stderr cannot be reported anywhere.
    let _ = writeln!(io::stderr(), "error: {}", Escaped(error));
}

fn serve(args: ServeArgs) -> ExitCode {
    // The umask that the daemon inherits is unknown.
    umask(Mode::WGRP | Mode::WOTH);
    log_to_stderr(args.log_format);
    if let Err(error) = descriptors::raise() {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
    let remote = match listen(args.listen) {
        Ok(remote) => remote,
        Err(text) => {
            report(&text);
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let metrics = match args.metrics_address.map(|at| (at, metrics::bind(at))) {
        None => None,
        Some((_, Ok(listener))) => Some(listener),
        Some((at, Err(error))) => {
            report(&format!("--metrics-address {at}: {error}"));
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
            if let Err(text) = config.check_places() {
                let _ = writeln!(io::stderr(), "error: {text}");
                return ExitCode::from(BAD_CONFIGURATION);
            }
            let served = runtime.block_on(daemon::serve(config, metrics, remote));
            // Without a timeout this would wait forever for a thread whose disk does not answer.
            runtime.shutdown_timeout(LAST_READS);
            served
        }
        Err(error) => Err(error.into()),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    report(&format!("{error:#}"));
    ExitCode::FAILURE
}

fn listen(args: ListenArgs) -> Result<Option<Remote>, String> {
    let Some((at, [cert, key, client_ca])) = args.all()? else { return Ok(None) };
    let files = TlsFiles { cert, key, client_ca };
    Remote::bind(at, &files).map(Some).map_err(|error| error.to_string())
}
