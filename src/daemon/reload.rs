//! SIGHUP: a running daemon reads its configuration again and takes over what can be changed without
//! a restart ([`Config::RELOADED`]). A configuration with an error changes nothing.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::config::{Config, ListenError, Settings};
use super::service_manager;
use super::stderr_log::LogFilter;
use super::tls_listener::{self, TlsError};
use crate::registry::Registries;
use crate::supervisor::{HostBrake, Supervisor};

/// Reads the command line and the configuration file.
pub type Read = Box<dyn Fn() -> Result<(Config, Settings), ReadError> + Send>;
/// The error of a configuration that cannot be read.
pub type ReadError = Box<dyn std::error::Error + Send + Sync>;

/// Why a configuration is not taken over.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the log: {0}")]
    Log(#[from] tracing_subscriber::reload::Error),
}

/// The source of the configuration, and the log, which exists before the rest of the daemon.
pub struct Source {
    read: Read,
    settings: Settings,
    log: LogFilter,
}

impl Source {
    /// The source of a configuration that had these settings at the start.
    pub fn new(read: Read, settings: Settings, log: LogFilter) -> Self {
        Self { read, settings, log }
    }
}

/// The parts of the daemon whose settings can be changed.
pub struct Reloaded {
    pub brake: Arc<HostBrake>,
    pub registries: watch::Sender<Registries>,
    /// The certificates of `--listen`, if the API is served by TCP.
    pub certificates: Option<watch::Sender<TlsAcceptor>>,
}

/// What a reload has changed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// The flags whose new values are in effect.
    taken_over: Vec<String>,
    /// The flags whose new values need a restart.
    need_restart: Vec<String>,
}

/// Reloads at each signal, until it is dropped.
pub async fn run(
    mut source: Source,
    reloaded: Reloaded,
    mut hangup: Signal,
    supervisor: Arc<Supervisor>,
) {
    while hangup.recv().await.is_some() {
        service_manager::reloading();
        match reload(&mut source, &reloaded) {
            Ok(Changes { taken_over, need_restart }) => {
                let changed = match taken_over.as_slice() {
                    [] => "nothing".to_owned(),
                    flags => flags.join(", "),
                };
                tracing::info!(changed, "the configuration was read again");
                if !need_restart.is_empty() {
                    let flags = need_restart.join(", ");
                    tracing::warn!(
                        flags,
                        "these changes take effect at the next start of probelet"
                    );
                }
            }
            Err(error) => tracing::error!(%error, "the configuration stays as it was"),
        }
        service_manager::ready(&service_manager::description(&supervisor));
    }
}

fn reload(source: &mut Source, reloaded: &Reloaded) -> Result<Changes, ReloadError> {
    let (config, settings) = (source.read)()?;
    let certificates = match (&reloaded.certificates, config.listen.address_and_files()?) {
        (Some(current), Some((_, files))) => Some((current, tls_listener::acceptor(&files)?)),
        _ => None,
    };
    // Nothing is changed before this line, and only the log can fail after it.
    source.log.set(config.log_level)?;
    if let Some((current, new)) = certificates {
        current.send_replace(new);
    }
    reloaded.registries.send_replace(config.registries.registries());
    let changes = changes(&source.settings, &settings);
    // A brake that is not changed keeps its budget.
    reloaded.brake.set_limits(config.brake.limits());
    // What needs a restart is reported at each reload until then.
    for flag in Config::RELOADED {
        if let Some(values) = settings.get(flag) {
            source.settings.insert(flag.to_owned(), values.clone());
        }
    }
    Ok(changes)
}

fn changes(before: &Settings, after: &Settings) -> Changes {
    let changed = after.iter().filter(|(flag, values)| before.get(*flag) != Some(values));
    let flags = changed.map(|(flag, _)| flag.clone());
    let (taken_over, need_restart) =
        flags.partition(|flag| Config::RELOADED.contains(&flag.as_str()));
    Changes { taken_over, need_restart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_sorted_by_whether_they_need_a_restart() {
        let settings = |values: &[(&str, &str)]| -> Settings {
            values.iter().map(|(flag, value)| ((*flag).to_owned(), vec![value.into()])).collect()
        };
        let before = settings(&[("kill-burst", "10"), ("log-dir", "/a"), ("log-level", "info")]);
        let after = settings(&[("kill-burst", "3"), ("log-dir", "/b"), ("log-level", "info")]);
        let expected = Changes {
            taken_over: vec!["kill-burst".to_owned()],
            need_restart: vec!["log-dir".to_owned()],
        };
        assert_eq!(changes(&before, &after), expected);
        assert_eq!(changes(&after, &after), Changes::default());
    }
}
