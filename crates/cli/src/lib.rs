//! The client's verbs, with kubectl's habits. The client uses the API, manifests and texts; nothing of
//! the daemon.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

mod adopt;
mod apply;
mod args;
mod attach;
mod attached;
pub mod candidates;
mod columns;
mod condition;
mod connect;
mod copy;
mod delete;
mod describe;
mod detach_keys;
mod diff;
mod error;
mod event_pages;
mod evidence;
mod evidence_details;
mod exec;
mod explain;
mod export;
mod get;
mod get_events;
mod get_pods;
mod grace;
mod images;
mod io;
mod kill;
mod kubeconfig;
mod layout;
mod layout_container;
mod layout_context;
mod layout_env;
mod layout_gates;
mod layout_history;
mod layout_probes;
mod layout_volumes;
mod loads;
mod logs;
mod manifests;
mod names;
mod namespace;
mod nearby;
mod object_output;
mod objects;
mod pause;
mod port_forward;
mod printed;
mod probe;
mod pull;
mod release;
mod remote_args;
mod remove_images;
mod restart;
mod resume;
mod run_foreground;
mod run_image;
mod screen;
mod start;
mod status;
mod stop;
mod tab_stops;
mod table;
mod targets;
mod terminal;
#[cfg(test)]
mod tests;
mod times;
mod top;
mod validate;
mod version;
mod view;
mod wait;

pub use args::Verb;
pub use connect::Connection;
pub use error::{Error, Result};
pub use io::Io;

/// Runs a verb. `build` is the version that `version` prints as the client's.
///
/// # Errors
///
/// The verb's error, with what to do next where the connection knows it.
pub async fn run(connection: &Connection, verb: &Verb, build: &str, io: &mut Io<'_>) -> Result<()> {
    attempt(connection, verb, build, io).await.map_err(|error| connection.explain(error))
}

async fn attempt(connection: &Connection, verb: &Verb, build: &str, io: &mut Io<'_>) -> Result<()> {
    match verb {
        Verb::Version(args) => return version::run(connection, args, build, io).await,
        Verb::Validate(args) => return validate::run(args, io),
        Verb::Explain(args) => return explain::run(args, io),
        Verb::Apply(args) if args.is_for_client_only() => return apply::read_only(args, io),
        _ => check(verb)?,
    }
    if let Verb::Run(args) = verb
        && args.is_dry()
    {
        return run_image::print_manifest(args, io);
    }
    let client = connection.connect().await?;
    match verb {
        Verb::Apply(args) => apply::run(&client, args, io).await,
        Verb::Diff(args) => diff::run(&client, args, io).await,
        Verb::Export(args) => export::run(&client, args, io).await,
        Verb::Run(args) => run_image::run(&client, args, io).await,
        Verb::Get(args) => get::run(&client, args, io).await,
        Verb::Describe(args) => describe::run(&client, args, io).await,
        Verb::Logs(args) => logs::run(&client, args, io).await,
        Verb::Delete(args) => delete::run(&client, args, io).await,
        Verb::Restart(args) => restart::run(&client, args, io).await,
        Verb::Kill(args) => kill::run(&client, args, io).await,
        Verb::Probe(args) => probe::run(&client, args, io).await,
        Verb::Pause(args) => pause::run(&client, args, io).await,
        Verb::Resume(args) => resume::run(&client, args, io).await,
        Verb::Condition(args) => condition::run(&client, args, io).await,
        Verb::Start(args) => start::run(&client, args, io).await,
        Verb::Status(args) => status::run(&client, args, io).await,
        Verb::Stop(args) => stop::run(&client, args, io).await,
        Verb::Adopt(args) => adopt::run(&client, args, io).await,
        Verb::Release(args) => release::run(&client, args, io).await,
        Verb::Pull(args) => pull::run(&client, args, io).await,
        Verb::Exec(args) => exec::run(&client, args, io).await,
        Verb::Attach(args) => attach::run(&client, args, io).await,
        Verb::Cp(args) => copy::run(&client, args, io).await,
        Verb::PortForward(args) => port_forward::run(&client, args, io).await,
        Verb::Top(args) => top::run(connection, &client, args, io).await,
        Verb::Wait(args) => wait::run(&client, args, io).await,
        Verb::Images(args) => images::run(&client, args, io).await,
        Verb::Rmi(args) => remove_images::run(&client, args, io).await,
        Verb::Kubeconfig(args) => kubeconfig::run(&client, args, io).await,
        Verb::Validate(_) | Verb::Version(_) | Verb::Explain(_) => Ok(()),
    }
}

/// Reports wrong usage, whether or not a daemon runs.
fn check(verb: &Verb) -> Result<()> {
    match verb {
        Verb::Get(args) => args.check(),
        Verb::Describe(args) => args.check(),
        Verb::Delete(args) => args.check(),
        Verb::Exec(args) => args.check(),
        Verb::Attach(args) => args.check(),
        Verb::Cp(args) => args.check(),
        Verb::PortForward(args) => args.check(),
        Verb::Top(args) => args.check(),
        Verb::Wait(args) => args.check(),
        Verb::Logs(args) => args.check(),
        Verb::Restart(args) => args.check(),
        Verb::Kill(args) => args.check(),
        Verb::Probe(args) => args.check(),
        Verb::Pause(args) => args.check(),
        Verb::Resume(args) => args.check(),
        Verb::Condition(args) => args.check(),
        Verb::Export(args) => args.check(),
        Verb::Start(args) => args.check(),
        Verb::Stop(args) => args.check(),
        Verb::Release(args) => args.check(),
        Verb::Run(args) => args.check(),
        Verb::Status(args) => args.check(),
        Verb::Apply(_)
        | Verb::Diff(_)
        | Verb::Explain(_)
        | Verb::Validate(_)
        | Verb::Adopt(_)
        | Verb::Pull(_)
        | Verb::Images(_)
        | Verb::Rmi(_)
        | Verb::Kubeconfig(_)
        | Verb::Version(_) => Ok(()),
    }
}
