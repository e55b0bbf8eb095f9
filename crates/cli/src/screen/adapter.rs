//! Carries keys and answers to the state of the screen, and its commands to the daemon.

use std::time::Duration;

use crossterm::event::EventStream;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::super::connect::{Client, Connection};
use super::super::error::Result;
use super::super::io::now;
use super::super::namespace::Namespaces;
use super::command::Command;
use super::daemon::{self, Answer};
use super::event::Event;
use super::model::Model;
use super::terminal::{self, WholeTerminal};
use super::theme::Theme;

/// Ages on the screen have seconds.
const TICK: Duration = Duration::from_secs(1);

/// Shows the containers until a key or a signal ends it.
pub async fn run(
    connection: &Connection,
    client: &Client,
    scope: Namespaces,
    pod: String,
) -> Result<()> {
    let mut sources = Sources::new(connection, client)?;
    let theme = Theme { has_colours: std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()) };
    let mut screen = WholeTerminal::enter()?;
    let mut model = Model::new(scope, pod, screen.size()?);
    loop {
        screen.draw(&model, now(), theme)?;
        let command = match sources.next().await? {
            Next::Event(event) => model.handle(event, now()),
            Next::Tick => None,
            Next::End => return Ok(()),
        };
        match command {
            Some(Command::Quit) => return Ok(()),
            Some(command) => sources.carry_out(command),
            None => {}
        }
    }
}

enum Next {
    Event(Event),
    /// Only the time has changed.
    Tick,
    /// A signal has ended the verb.
    End,
}

/// Where events come from.
struct Sources<'a> {
    connection: &'a Connection,
    client: &'a Client,
    inputs: EventStream,
    ends: [Signal; 4],
    ticks: Interval,
    poll: BoxFuture<'a, Answer>,
    call: Option<BoxFuture<'a, Event>>,
    log: Option<BoxStream<'a, Event>>,
}

impl<'a> Sources<'a> {
    fn new(connection: &'a Connection, client: &'a Client) -> Result<Self> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Ok(Self {
            connection,
            client,
            inputs: EventStream::new(),
            ends: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::quit())?,
            ],
            ticks,
            poll: daemon::poll(connection, client, Duration::ZERO),
            call: None,
            log: None,
        })
    }

    fn carry_out(&mut self, command: Command) {
        let (connection, client) = (self.connection, self.client);
        match command {
            Command::Call(call) => self.call = Some(daemon::carry_out(connection, client, call)),
            Command::Follow(id) => self.log = Some(daemon::follow(connection, client, id)),
            Command::Unfollow | Command::Quit => self.log = None,
        }
    }

    async fn next(&mut self) -> Result<Next> {
        let [terminated, hung_up, interrupted, quit] = &mut self.ends;
        tokio::select! {
            _ = terminated.recv() => Ok(Next::End),
            _ = hung_up.recv() => Ok(Next::End),
            _ = interrupted.recv() => Ok(Next::End),
            _ = quit.recv() => Ok(Next::End),
            input = self.inputs.next() => match input {
                Some(input) => Ok(terminal::event(&input?).map_or(Next::Tick, Next::Event)),
                None => Ok(Next::End),
            },
            answer = &mut self.poll => {
                self.poll = daemon::poll(self.connection, self.client, answer.pause);
                Ok(Next::Event(answer.event))
            }
            event = ready(&mut self.call) => {
                self.call = None;
                Ok(Next::Event(event))
            }
            event = following(&mut self.log) => {
                if event.is_none() || matches!(event, Some(Event::LogEnded(_))) {
                    self.log = None;
                }
                Ok(event.map_or(Next::Tick, Next::Event))
            }
            _ = self.ticks.tick() => Ok(Next::Tick),
        }
    }
}

/// The result of the call, if there is one.
async fn ready(call: &mut Option<BoxFuture<'_, Event>>) -> Event {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

/// The next event of the log, if one is followed.
async fn following(log: &mut Option<BoxStream<'_, Event>>) -> Option<Event> {
    match log {
        Some(log) => log.next().await,
        None => std::future::pending().await,
    }
}
