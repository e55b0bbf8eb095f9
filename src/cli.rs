//! The client verbs: kubectl's habits against the daemon's socket.

mod adopt;
mod apply;
mod args;
mod brake_args;
mod columns;
mod condition;
mod config;
mod connect;
mod delete;
mod describe;
mod duration;
mod error;
mod evidence;
mod exec;
mod export;
mod get;
mod get_events;
mod get_pods;
mod grace;
mod images;
mod io;
mod kill;
mod layout;
mod layout_container;
mod layout_env;
mod layout_gates;
mod layout_history;
mod layout_probes;
mod layout_volumes;
mod listen_args;
mod log_args;
mod logs;
mod manifests;
mod names;
mod objects;
mod pause;
mod printed;
mod probe;
mod pull;
mod registry_args;
mod remote_args;
mod restart;
mod resume;
mod run_image;
mod serve_args;
mod start;
mod stop;
mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod top;
mod validate;
mod version;
mod wait;

pub use args::{Cli, Command};
pub use config::{UsageError, parse};
pub use error::{Error, Result};
pub use io::Io;
pub use listen_args::ListenArgs;
pub use serve_args::{LogFormat, ServeArgs};

use connect::connect;

/// Runs every verb but `serve`, which is the daemon's.
pub async fn run(cli: &Cli, io: &mut Io<'_>) -> Result<()> {
    if let Command::Version(args) = &cli.command {
        return version::version(cli, args, io).await;
    }
    if let Command::Completion { shell } = cli.command {
        return completion(shell, io);
    }
    if let Command::Validate(args) = &cli.command {
        return validate::validate(args, io);
    }
    check_usage(&cli.command)?;
    let client = connect(cli).await?;
    match &cli.command {
        Command::Apply(args) => apply::apply(&client, args, io).await,
        Command::Export(args) => export::export(&client, args, io).await,
        Command::Run(args) => run_image::run_image(&client, args, io).await,
        Command::Get(args) => get::get(&client, args, io).await,
        Command::Describe(args) => describe::describe(&client, args, io).await,
        Command::Logs(args) => logs::logs(&client, args, io).await,
        Command::Delete(args) => delete::delete(&client, args, io).await,
        Command::Restart(args) => restart::restart(&client, args, io).await,
        Command::Kill(args) => kill::kill(&client, args, io).await,
        Command::Probe(args) => probe::probe(&client, args, io).await,
        Command::Pause(args) => pause::pause(&client, args, io).await,
        Command::Resume(args) => resume::resume(&client, args, io).await,
        Command::Condition(args) => condition::condition(&client, args, io).await,
        Command::Start(args) => start::start(&client, args, io).await,
        Command::Stop(args) => stop::stop(&client, args, io).await,
        Command::Adopt(args) => adopt::adopt(&client, args, io).await,
        Command::Release(args) => adopt::release(&client, args, io).await,
        Command::Pull(args) => pull::pull(&client, args, io).await,
        Command::Exec(args) => exec::exec(&client, args, io).await,
        Command::Top(args) => top::top(&client, args, io).await,
        Command::Wait(args) => wait::wait(&client, args, io).await,
        Command::Images(args) => images::images(&client, args, io).await,
        Command::Rmi(args) => images::remove(&client, args, io).await,
        Command::Serve(_)
        | Command::Validate(_)
        | Command::Completion { .. }
        | Command::Version(_) => Err(Error::Usage("this verb needs no client".to_owned())),
    }
}

fn completion(shell: clap_complete::Shell, io: &mut Io<'_>) -> Result<()> {
    let mut script = Vec::new();
    let mut command = <Cli as clap::CommandFactory>::command();
    clap_complete::generate(shell, &mut command, "probelet", &mut script);
    io.raw(&script)
}

/// Wrong usage is told as such whether or not a daemon is there.
fn check_usage(command: &Command) -> Result<()> {
    match command {
        Command::Get(args) => names::resource(&args.resource.words).map(|_| ()),
        Command::Describe(args) => names::pods(&args.resource.words).map(|_| ()),
        Command::Delete(args) if args.force && args.grace_period.is_some_and(|g| !g.is_zero()) => {
            Err(Error::Usage("--force goes with no --grace-period but 0".to_owned()))
        }
        Command::Delete(args) if args.files.is_empty() => names::pods(&args.words).map(|_| ()),
        Command::Exec(args) => names::pod(&args.pod).map(|_| ()),
        Command::Top(args) => top::pod(&args.words).map(|_| ()),
        Command::Wait(args) => names::pod(&args.pod).map(|_| ()),
        Command::Logs(args) => names::pod(&args.pod).map(|_| ()),
        Command::Restart(args) => names::pod(&args.pod).map(|_| ()),
        Command::Kill(args) => names::pod(&args.pod).map(|_| ()),
        Command::Probe(args) => names::pod(&args.pod).map(|_| ()),
        Command::Pause(args) => names::pod(&args.pod).map(|_| ()),
        Command::Resume(args) => names::pod(&args.pod).map(|_| ()),
        Command::Condition(args) => names::pod(&args.pod).map(|_| ()),
        Command::Export(args) => names::pod(&args.name).map(|_| ()),
        Command::Start(args) => names::pod(&args.name).map(|_| ()),
        Command::Stop(args) => names::pod(&args.name).map(|_| ()),
        Command::Release(args) => names::pod(&args.name).map(|_| ()),
        _ => Ok(()),
    }
}
