//! What `exec` and `attach` connect a client to.

use std::future::ready;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use probelet_kube_wire::options::CommandOptions;
use probelet_kube_wire::status::{GroupResource, Status};
use tokio_stream::wrappers::ReceiverStream;

use super::commands::{Begun, Source};
use super::errors;
use super::exchange::Until;
use crate::domain::exit::Operator;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::Streams;
use crate::node::session::{Order, Output, Session, Wants};
use crate::service::{Attached, Logs};
use crate::supervisor::{Supervisor, SupervisorError};

/// A command that is run for the client, and ends with it.
pub struct Exec {
    pub supervisor: Arc<Supervisor>,
    pub pod: PodKey,
}

/// A running container: its streams, or its output from now on, from its log.
pub struct Attach {
    pub logs: Logs,
    pub pod: PodKey,
}

#[async_trait]
impl Source for Exec {
    async fn begin(&self, options: &CommandOptions, until: &Until) -> Result<Begun, Status> {
        let CommandOptions { command, stdin, tty, .. } = options;
        let order = Order { command: command.clone(), stdin: *stdin, terminal: *tty };
        let (pod, container) = (&self.pod, container(options));
        let session = self.supervisor.requests().exec(pod, container, &order).await;
        let Session { input, output } = session.map_err(|error| of_supervisor(pod, error))?;
        // The log records the user of each command.
        let (by, user) = (operator("exec", until), until.identity.name());
        let command = order.command.first();
        tracing::info!(%pod, container, command, user, operator = %by, "a command is run");
        Ok(Begun { input: Some(input), output: Box::pin(ReceiverStream::new(output)) })
    }
}

#[async_trait]
impl Source for Attach {
    async fn begin(&self, options: &CommandOptions, until: &Until) -> Result<Begun, Status> {
        let (pod, container) = (&self.pod, container(options));
        let CommandOptions { stdin: input, stdout, stderr, .. } = *options;
        let wants = Wants { input, stdout, stderr };
        let attached = self.logs.attach(pod, container, wants).await;
        let Attached { input, output } = attached.map_err(|error| of_service(pod, error))?;
        let (by, user) = (operator("attach", until), until.identity.name());
        tracing::info!(%pod, container, user, operator = %by, "a client is attached");
        // The end of the container is not the client's: its code is in the pod's status. Behind a
        // log that cannot be read there is no end.
        let own = output.map(Result::ok);
        let own = own.filter(|part| ready(!matches!(part, Some(Output::Exit(_)))));
        let parts = own.chain(stream::iter([Some(Output::Exit(0))]));
        let output = parts.take_while(|part| ready(part.is_some())).filter_map(ready);
        Ok(Begun { input, output: Box::pin(output) })
    }
}

fn container(options: &CommandOptions) -> &str {
    options.container.as_deref().unwrap_or_default()
}

fn operator(verb: &'static str, until: &Until) -> Operator {
    Operator::new(verb, Some(until.identity.caller()))
}

/// Refuses what cannot be attached to a container with these streams.
pub fn check_attach(options: &CommandOptions, streams: Streams) -> Result<(), Status> {
    if options.stdin && !streams.stdin {
        return Err(Status::bad_request(
            "stdin: containers run without an input unless their spec has stdin: true; kubectl \
             exec -i runs a command that has one",
        ));
    }
    if options.tty && !streams.tty {
        return Err(Status::bad_request(
            "tty: containers run without a terminal unless their spec has tty: true",
        ));
    }
    Ok(())
}

/// The status of a request about a pod that the supervisor has refused.
pub fn of_supervisor(pod: &PodKey, error: SupervisorError) -> Status {
    of_service(pod, error.into())
}

fn of_service(pod: &PodKey, error: crate::service::Error) -> Status {
    errors::of_service(&GroupResource::new("", "pods"), pod.name(), error)
}
