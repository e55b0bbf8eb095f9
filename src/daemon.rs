//! Starts the parts of the daemon (socket, runtime, supervisor, services) and stops them again.

mod authority;
mod calls;
mod client_auth;
mod connection;
mod descriptors;
mod door;
mod remote;
mod server;
mod stderr_log;
mod unix;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
pub use remote::{Remote, TlsError, TlsFiles};
use server::Edge;
pub use stderr_log::log_to_stderr;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use unix::UnixDoor;

use crate::connections::{Limits, Slots};
use crate::domain::brake;
use crate::domain::log;
use crate::evidence::HostWitness;
use crate::files;
use crate::manifest_dir::HostDir;
use crate::pb::containers_server::ContainersServer;
use crate::pb::events_server::EventsServer;
use crate::pb::images_server::ImagesServer;
use crate::pb::meta_server::MetaServer;
use crate::pb::pods_server::PodsServer;
use crate::pressure;
use crate::prober::NetProber;
use crate::registry::{self, Registries};
use crate::runtime::containerd::{Config as ContainerdConfig, Containerd, Watched};
use crate::runtime::{RuntimeError, deadline_in};
use crate::service::{MetaApi, RecoveryGate, Services};
use crate::supervisor::{Adopter, StaticPods, Supervisor, SupervisorBuilder, SupervisorError, now};
use crate::{manifest, metrics, pb, process, trusted};

/// How long open calls may take to end when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);
/// The pause between attempts to reach containerd at the start.
const RETRY: Duration = Duration::from_secs(1);
/// The interval of the reports that the daemon still waits for containerd.
const REPORT: Duration = Duration::from_secs(60);
/// How long a start waits for the recovery of running pods before callers are asked to retry.
const PATIENCE: Duration = Duration::from_secs(2);

/// The settings of `probelet serve`.
#[derive(Debug, Clone)]
pub struct Config {
    pub socket: PathBuf,
    pub containerd_address: PathBuf,
    pub containerd_namespace: String,
    /// Names of containerd namespaces, or `*`.
    pub watch_namespaces: Vec<String>,
    pub adopted_log_dirs: Vec<PathBuf>,
    /// A directory that may vanish at boot; each start creates it if it is missing.
    pub run_dir: PathBuf,
    pub log_dir: PathBuf,
    pub log_limits: log::Limits,
    /// The directory of manifests whose pods are kept running.
    pub manifest_dir: Option<PathBuf>,
    pub seccomp_dir: PathBuf,
    pub registries: Registries,
    pub data_dir: PathBuf,
    pub cni_conf_dir: PathBuf,
    pub cni_bin_dirs: Vec<PathBuf>,
    /// The limits of the brake on kills by probes; None disables the brake.
    pub brake: Option<brake::Limits>,
}

impl Config {
    /// Checks the directories whose writers are in effect root of the host. The error names the
    /// flag.
    pub fn check_places(&self) -> Result<(), String> {
        let bin_dirs = self.cni_bin_dirs.iter().map(|dir| ("--cni-bin-dir", dir));
        let manifest_dir = self.manifest_dir.iter().map(|dir| ("--manifest-dir", dir));
        let places = [
            ("--run-dir", &self.run_dir),
            ("--data-dir", &self.data_dir),
            ("--log-dir", &self.log_dir),
            ("--seccomp-dir", &self.seccomp_dir),
            ("--cni-conf-dir", &self.cni_conf_dir),
            ("--registry-config", &self.registries.config),
            ("--registry-hosts-dir", &self.registries.hosts_dir),
        ];
        let mut all = places.into_iter().chain(bin_dirs).chain(manifest_dir);
        all.try_for_each(|(flag, place)| {
            trusted::check(place).map_err(|error| format!("{flag}: {error}"))
        })
    }
}

/// Serves until SIGTERM or SIGINT. The containers continue to run.
pub async fn serve(
    config: Config,
    metrics: Option<TcpListener>,
    remote: Option<Remote>,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.run_dir)
        .with_context(|| format!("creating {}", config.run_dir.display()))?;
    registry::install_tls();
    let unix = UnixDoor::bind(&config.socket).await?;
    let edges = Edges::new(process::descriptors::limit());
    let cancel = CancellationToken::new();
    let stop = stop_on_signal(cancel.clone())?;
    let runtime = Containerd::connect(ContainerdConfig {
        address: config.containerd_address.clone(),
        namespace: config.containerd_namespace.clone(),
        log_dir: config.log_dir.clone(),
        log_limits: config.log_limits,
        run_dir: config.run_dir.clone(),
        watched: watched(&config.watch_namespaces),
        adopted_log_dirs: config.adopted_log_dirs.clone(),
        seccomp_dir: config.seccomp_dir.clone(),
        registries: config.registries.clone(),
        data_dir: config.data_dir.clone(),
        cni_conf_dir: config.cni_conf_dir.clone(),
        cni_bin_dirs: config.cni_bin_dirs.clone(),
        ..ContainerdConfig::default()
    })
    .context("containerd")?;
    let runtime = Arc::new(runtime);
    let manifest_dir = config.manifest_dir.as_ref().map(std::path::absolute);
    let manifest_dir = manifest_dir.transpose().context("--manifest-dir")?;
    let supervisor = SupervisorBuilder::new(runtime.clone(), Arc::new(NetProber::default()))
        .brake(config.brake, pressure::read)
        .boot_id(boot_id())
        .manifest_dir(manifest_dir.as_deref())
        .evidence_collector(Arc::new(HostWitness::default()));
    let supervisor = Arc::new(supervisor.build());
    // These tasks also run while the daemon waits for containerd, and end with this function.
    let mut beside = JoinSet::new();
    if let Some(listener) = metrics {
        let (supervisor, started) = (supervisor.clone(), now().wall);
        let (slots, shown) = (edges.metrics.clone(), edges.all());
        let sources = metrics::Sources { supervisor, started, slots: shown };
        beside.spawn(async {
            if let Err(error) = metrics::serve(listener, slots, sources).await {
                tracing::error!(%error, "no metrics are served");
            }
        });
    }
    let adopter = Arc::new(supervisor.adopter(runtime, manifest::care));
    let static_pods = manifest_dir.map(|path| {
        let dir = Box::new(HostDir::new(path));
        supervisor.static_pods(dir, manifest::reading)
    });
    let tended = (supervisor.clone(), adopter, static_pods);
    let doors = (unix, remote, edges);
    let mut serving = pin!(recover_and_serve(&config, doors, tended, cancel.clone()));
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop => {
            cancel.cancel();
            // A call that waits for a long grace period is cut off; the next daemon completes the
            // stop.
            tokio::time::timeout(DRAIN, serving).await.unwrap_or(Ok(()))
        }
    };
    if tokio::time::timeout(DRAIN, supervisor.stop()).await.is_err() {
        tracing::warn!("some pods' work does not end; the next daemon takes it up");
    }
    remove_socket(&config.socket);
    tracing::info!("stopped; the containers go on");
    served
}

/// The slots of all listeners.
struct Edges {
    /// The slots of connections that are being opened, then those of open connections.
    unix: [Slots; 2],
    tcp: [Slots; 2],
    metrics: Slots,
    calls: Slots,
}

impl Edges {
    fn new(descriptors: u64) -> Self {
        let slots = |name, limits: Limits| Slots::new(name, limits.within(descriptors));
        let (openings, connections) = (server::OPENINGS, server::CONNECTIONS);
        Self {
            unix: [slots("unix-opening", openings), slots("unix", connections)],
            tcp: [slots("tcp-opening", openings), slots("tcp", connections)],
            metrics: slots("metrics", metrics::CONNECTIONS),
            calls: slots("calls", server::CALLS),
        }
    }

    fn all(&self) -> Vec<Slots> {
        let listeners = [&self.unix, &self.tcp].into_iter().flatten();
        listeners.chain([&self.metrics, &self.calls]).cloned().collect()
    }
}

async fn recover_and_serve(
    config: &Config,
    (unix, remote, edges): (UnixDoor, Option<Remote>, Edges),
    (supervisor, adopter, static_pods): (Arc<Supervisor>, Arc<Adopter>, Option<StaticPods>),
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let gate = RecoveryGate::default();
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    let (door, daemon) = (gate.clone(), reporter.clone());
    let mut recovered = pin!(async {
        recover(&supervisor, &config.containerd_address).await?;
        adopter.sync().await;
        door.open();
        daemon.set_service_status("", ServingStatus::Serving).await;
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            tracing::warn!(%error, "systemd was not told");
        }
        anyhow::Ok(())
    });
    // Recovery is usually immediate, so a short wait here spares callers a retry.
    let early = tokio::time::timeout(PATIENCE, &mut recovered).await;
    let services = Services::new(supervisor.clone(), adopter.clone(), cancel.clone());
    let descriptors = [
        pb::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ];
    let [v1, v1alpha] = [reflection(&descriptors), reflection(&descriptors)];
    let routes = Routes::new(health)
        .add_service(v1.build_v1()?)
        .add_service(v1alpha.build_v1alpha()?)
        .add_service(MetaServer::new(MetaApi))
        .add_service(ContainersServer::with_interceptor(services.containers(), gate.clone()))
        .add_service(PodsServer::with_interceptor(services.pods(), gate.clone()))
        .add_service(EventsServer::with_interceptor(services.events(), gate.clone()))
        .add_service(ImagesServer::with_interceptor(services.images(), gate));
    let edge = |[openings, connections]: [Slots; 2]| Edge {
        routes: routes.clone(),
        openings,
        connections,
        calls: edges.calls.clone(),
        cancel: cancel.clone(),
    };
    let remote = remote.map(Remote::door).transpose().context("--listen")?;
    let by_socket = edge(edges.unix.clone()).serve(unix);
    let by_tcp = async {
        if let Some(remote) = remote {
            edge(edges.tcp.clone()).serve(remote).await;
        }
    };
    let recovering = async {
        let recovered = match early {
            Ok(recovered) => recovered,
            Err(_) => tokio::select! {
                recovered = recovered => recovered,
                () = cancel.cancelled() => Ok(()),
            },
        };
        match &recovered {
            Err(_) => cancel.cancel(),
            Ok(()) if cancel.is_cancelled() => {}
            Ok(()) => tracing::info!(
                socket = %config.socket.display(),
                containerd = %config.containerd_address.display(),
                namespace = config.containerd_namespace,
                brake = config.brake.map_or("off".to_owned(), |brake| brake.to_string()),
                "serving"
            ),
        }
        // The running pods are known by now, so no file's pod is created twice.
        let kept = async {
            if let Some(static_pods) = static_pods {
                static_pods.run(cancel.clone()).await;
            }
        };
        let tended = async { tokio::join!(supervisor.run(), adopter.run(cancel.clone()), kept) };
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = tended => {}
        }
        recovered
    };
    let descriptors = descriptors::watch(reporter.clone(), cancel.clone());
    let health = services.health();
    let health = health.report(reporter);
    let ((), (), (), (), recovered) =
        tokio::join!(by_socket, by_tcp, descriptors, health, recovering);
    services.closed().await;
    recovered
}

fn watched(namespaces: &[String]) -> Watched {
    if namespaces.iter().any(|name| name == "*") {
        Watched::All
    } else {
        Watched::Only(namespaces.to_vec())
    }
}

fn reflection<'a>(descriptors: &[&'a [u8]]) -> tonic_reflection::server::Builder<'a> {
    descriptors
        .iter()
        .fold(tonic_reflection::server::Builder::configure(), |builder, descriptor| {
            builder.register_encoded_file_descriptor_set(descriptor)
        })
}

async fn recover(supervisor: &Supervisor, containerd: &Path) -> anyhow::Result<()> {
    let mut report_at = Instant::now();
    loop {
        match supervisor.recover().await {
            Ok(0) => return Ok(()),
            Ok(pods) => {
                tracing::info!(pods, "taken up again");
                return Ok(());
            }
            Err(SupervisorError::Runtime(
                error @ (RuntimeError::Unavailable(_) | RuntimeError::Timeout { .. }),
            )) => {
                if report_at <= Instant::now() {
                    report_at = deadline_in(REPORT);
                    let address = containerd.display();
                    tracing::warn!(%address, %error, "waiting for containerd (--containerd-address)");
                }
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => {
                let address = containerd.display();
                return Err(error).with_context(|| {
                    format!(
                        "recovering what runs from containerd at {address} (--containerd-address)"
                    )
                });
            }
        }
    }
}

/// Reads the kernel's ID of this boot.
fn boot_id() -> Option<String> {
    let read = files::read_kernel("/proc/sys/kernel/random/boot_id");
    let read = read.inspect_err(|error| tracing::warn!(%error, "the boot id is not known"));
    read.ok().map(|id| id.trim().to_owned())
}

fn remove_socket(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "socket not removed");
    }
}

fn stop_on_signal(cancel: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = cancel.cancelled() => {}
        }
    })
}
