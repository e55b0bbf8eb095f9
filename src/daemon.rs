//! Starts the parts of the daemon (listeners, runtime, supervisor, services) and stops them again.

mod acceptor;
mod authority_rewrite;
mod bound_listeners;
mod caller_slots;
mod calls;
pub mod check;
pub mod config;
mod descriptors;
mod error;
mod kube_health;
mod kube_listener;
mod listener;
mod namespace_lock;
mod pod_thread;
mod preface;
mod recovery;
pub mod reload;
mod routes;
mod service_manager;
mod stderr_log;
mod tls_listener;
mod unix_listener;

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use probelet_containerd::Containerd;
use probelet_kube_wire::discovery::SERVED;
use probelet_runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;

use acceptor::Acceptor;
pub use bound_listeners::{BoundListeners, ConfigError};
use caller_slots::CallerSlots;
use check::LiveChecks;
pub use config::Config;
pub use error::Error;
use kube_listener::BoundKube;
use namespace_lock::LockError;
pub use namespace_lock::NamespaceLock;
use pod_thread::PodThread;
pub use stderr_log::log_to_stderr;
use tls_listener::BoundTls;
use unix_listener::SocketListener;

use crate::connections::Slots;
use crate::evidence::HostEvidence;
use crate::files;
use crate::kube_authority::Authority;
use crate::kube_objects::StoredObjects;
use crate::manifest_dir::HostDir;
use crate::node::{Config as NodeConfig, LocalNode, Watched};
use crate::pressure;
use crate::prober::NetProber;
use crate::registry;
use crate::service::{KubeconfigsApi, MetaApi, RecoveryGate, Services, Stage};
use crate::status_page::StatusPage;
use crate::supervisor::{Adopter, HostBrake, StaticPods, Supervisor, SupervisorBuilder, now};
use crate::{manifest, metrics, process};

/// The time that open calls have to end when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);
/// The time for which a start waits until the pods are listed. After it callers are asked to retry.
const EARLY_LIST: Duration = Duration::from_secs(2);

/// The time from a start until the daemon reports that it serves, if containerd does not answer.
const READY: Duration = Duration::from_secs(10);

/// The parts that manage pods.
struct Managers {
    supervisor: Arc<Supervisor>,
    adopter: Arc<Adopter>,
    static_pods: Option<StaticPods>,
}

/// The listeners of the API.
struct ApiListeners {
    unix: SocketListener,
    tls: Option<BoundTls>,
    kube: Option<BoundKube>,
    meta: MetaApi,
    kubeconfigs: KubeconfigsApi,
    slots: CallerSlots,
}

/// Serves until SIGTERM or SIGINT. The containers continue to run. The caller releases the lock when
/// nothing of the daemon runs any more.
pub async fn serve(
    config: Config,
    listeners: BoundListeners,
    source: reload::Source,
    lock: &mut NamespaceLock,
) -> Result<(), Error> {
    // Without a handler the signal would end the daemon.
    let hangup = signal(SignalKind::hangup()).map_err(Error::Signals)?;
    match lock.acquire().await {
        // The recovery takes the lock when containerd answers.
        Ok(()) | Err(LockError::NoContainerd { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    std::fs::create_dir_all(&config.run_dir)
        .map_err(|error| Error::RunFolder { path: config.run_dir.clone(), error })?;
    registry::install_tls();
    let unix = SocketListener::bind(&config.socket).await?;
    let slots = CallerSlots::new(process::descriptors::limit());
    let authority = authority(&config, listeners.kube_api.as_ref())?;
    let objects = objects(&config, listeners.kube_api.as_ref())?;
    let cancel = CancellationToken::new();
    let stop = stop_on_signal(cancel.clone()).map_err(Error::Signals)?;
    let registries = watch::Sender::new(config.registries.registries());
    let (address, settings) = (config.containerd_address.clone(), registries.subscribe());
    let containerd = Containerd::new(address, config::SNAPSHOTTER, settings);
    let containerd: Arc<dyn Runtime> = Arc::new(containerd.map_err(Error::Containerd)?);
    let node = LocalNode::new(node_config(&config), containerd.clone()).map_err(Error::Node)?;
    let node = Arc::new(node);
    let manifest_dir = config.manifest_dir.as_ref().map(std::path::absolute);
    let manifest_dir = manifest_dir.transpose().map_err(Error::ManifestDir)?;
    let brake = Arc::new(HostBrake::new(config.brake.limits(), pressure::read));
    let pods = PodThread::start().map_err(Error::PodThread)?;
    let supervisor =
        SupervisorBuilder::new(node.clone(), Arc::new(NetProber::new(config.exec_via.into())))
            .pod_runtime(pods.runtime())
            .brake(brake.clone())
            .boot_id(boot_id())
            .manifest_dir(manifest_dir.as_deref())
            .runtime_address(&config.containerd_address)
            .evidence_collector(Arc::new(HostEvidence::default()));
    let supervisor = Arc::new(supervisor.build());
    let checks = Arc::new(LiveChecks::new(config.clone(), supervisor.clone()));
    let meta = MetaApi::new(containerd.clone(), checks);
    // These tasks also run while the daemon waits for containerd, and end with this function.
    let mut tasks = JoinSet::new();
    let certificates = listeners.tls.as_ref().map(BoundTls::certificates);
    let reloaded = reload::Reloaded { brake, registries, certificates };
    tasks.spawn(reload::run(source, reloaded, hangup, supervisor.clone()));
    if let Some(listener) = listeners.metrics {
        let (supervisor, started) = (supervisor.clone(), now().wall);
        let (runtime, texts) = (containerd.clone(), config.metrics_page_texts);
        let page = StatusPage::new(supervisor.clone(), runtime, started, texts);
        let sources =
            metrics::Sources { supervisor, started, slots: slots.all(), runtime: containerd };
        let slots = slots.metrics();
        tasks.spawn(async {
            if let Err(error) = metrics::serve(listener, slots, sources, page).await {
                tracing::error!(%error, "no metrics are served");
            }
        });
    }
    let adopter = Arc::new(
        supervisor.adopter(Arc::new(node.foreign_containers()), manifest::settings_of_labels),
    );
    let static_pods = manifest_dir.map(|path| {
        let dir = Box::new(HostDir::new(path));
        supervisor.static_pods(dir, manifest::reading)
    });
    let managers = Managers { supervisor: supervisor.clone(), adopter, static_pods };
    let kubeconfigs = KubeconfigsApi::new(authority.clone());
    let bound = |((listener, authority), objects)| BoundKube { listener, authority, objects };
    let kube = listeners.kube_api.zip(authority).zip(objects).map(bound);
    let listeners = ApiListeners { unix, tls: listeners.tls, kube, meta, kubeconfigs, slots };
    let mut serving = pin!(recover_and_serve(&config, listeners, managers, lock, cancel.clone()));
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop => {
            service_manager::stopping();
            cancel.cancel();
            // A call that waits for a long grace period is cut off; the next daemon completes the
            // stop.
            tokio::time::timeout(DRAIN, serving).await.unwrap_or(Ok(()))
        }
    };
    if tokio::time::timeout(DRAIN, supervisor.stop()).await.is_err() {
        tracing::warn!("the work of some pods does not end; the next daemon completes it");
    }
    remove_socket(&config.socket);
    tracing::info!("stopped; the containers continue to run");
    served
}

/// The authority of the Kubernetes API; `None` if none is served.
fn authority(
    config: &Config,
    listener: Option<&TcpListener>,
) -> Result<Option<Arc<Authority>>, Error> {
    let Some(listener) = listener else { return Ok(None) };
    let address = listener.local_addr().map_err(Error::KubeApiAddress)?;
    Ok(Some(Arc::new(Authority::open(&config.data_dir, address)?)))
}

/// The stored objects of the Kubernetes API; `None` if none is served.
fn objects(
    config: &Config,
    listener: Option<&TcpListener>,
) -> Result<Option<StoredObjects>, Error> {
    let open = |_| StoredObjects::open(&config.data_dir, SERVED, || now().wall);
    Ok(listener.map(open).transpose()?)
}

fn node_config(config: &Config) -> NodeConfig {
    NodeConfig {
        address: config.containerd_address.clone(),
        namespace: config.containerd_namespace.clone(),
        log_dir: config.log_dir.clone(),
        log_limits: config.logs.limits(),
        run_dir: config.run_dir.clone(),
        watched: watched(&config.watch_namespaces),
        adopted_log_dirs: config.adopted_log_dirs.clone(),
        seccomp_dir: config.seccomp_dir.clone(),
        data_dir: config.data_dir.clone(),
        cni_conf_dir: config.cni_conf_dir.clone(),
        cni_bin_dirs: config.cni_bin_dirs.clone(),
    }
}

async fn recover_and_serve(
    config: &Config,
    listeners: ApiListeners,
    managers: Managers,
    lock: &mut NamespaceLock,
    cancel: CancellationToken,
) -> Result<(), Error> {
    let Managers { supervisor, adopter, static_pods } = managers;
    let ApiListeners { unix, tls, kube, meta, kubeconfigs, slots } = listeners;
    let gate = RecoveryGate::default();
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    let on_listed = async || {
        adopter.sync().await;
        gate.reached(Stage::Listed);
        reporter.set_service_status("", ServingStatus::Serving).await;
        service_manager::ready(&service_manager::description(&supervisor));
    };
    let mut recovered = pin!(async {
        recovery::recover(&supervisor, &config.containerd_address, lock, on_listed).await?;
        gate.reached(Stage::Recovered);
        Ok::<(), Error>(())
    });
    // The pods are usually listed at once, so a short wait here spares callers a retry.
    let early = tokio::time::timeout(EARLY_LIST, async {
        tokio::select! {
            recovered = &mut recovered => Some(recovered),
            () = gate.until(Stage::Listed) => None,
        }
    });
    let early = early.await.ok().flatten();
    let services = Services::new(supervisor.clone(), adopter.clone(), cancel.clone());
    let routes = routes::routes(&services, meta, kubeconfigs, &gate, health)?;
    let acceptor = |[openings, connections]: [Slots; 2]| Acceptor {
        routes: routes.clone(),
        openings,
        connections,
        calls: slots.calls(),
        cancel: cancel.clone(),
    };
    let tls = tls.map(BoundTls::listener).transpose().map_err(Error::Listen)?;
    let by_socket = acceptor(slots.unix()).serve(unix);
    let by_tls = async {
        if let Some(tls) = tls {
            acceptor(slots.tls()).serve(tls).await;
        }
    };
    let by_kube = async {
        let Some(kube) = kube else { return Ok(()) };
        let (supervisor, logs) = (supervisor.clone(), services.logs());
        let (health, serving) = (kube.objects.health(), cancel.clone());
        let health = kube_health::report(reporter.clone(), health, cancel.clone());
        let served = kube.serve(supervisor, logs, gate.clone(), slots.kube(), serving);
        tokio::join!(served, health).0
    };
    let recovering = async {
        let recovered = match early {
            Some(recovered) => recovered,
            None => tokio::select! {
                recovered = recovered => recovered,
                recovered = ready_without_pods(&config.containerd_address, &gate) => recovered,
                () = cancel.cancelled() => Ok(()),
            },
        };
        match &recovered {
            Err(_) => cancel.cancel(),
            Ok(()) if cancel.is_cancelled() => {}
            Ok(()) => log_start(config),
        }
        // The running pods are recovered now, so the pod of a file is not created twice.
        let static_pods = async {
            if let Some(static_pods) = static_pods {
                static_pods.run(cancel.clone()).await;
            }
        };
        let (watching, adopting) = (cancel.clone(), adopter.run(cancel.clone()));
        let watching = service_manager::watch(&supervisor, watching);
        let managing = async { tokio::join!(supervisor.run(), adopting, static_pods, watching) };
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = managing => {}
        }
        recovered
    };
    let descriptors = descriptors::watch(reporter.clone(), cancel.clone());
    let health = services.health();
    let health = health.report(reporter.clone());
    let ((), (), served, (), (), recovered) =
        tokio::join!(by_socket, by_tls, by_kube, descriptors, health, recovering);
    services.closed().await;
    recovered.and(served.map_err(Error::from))
}

/// Reports after a while that the daemon serves, although containerd does not answer: what waits for the
/// daemon, such as the installation of a package, must not wait for containerd. Never completes.
async fn ready_without_pods(containerd: &Path, gate: &RecoveryGate) -> Result<(), Error> {
    let status = format!("waiting for containerd at {}", containerd.display());
    if !gate.is_open() {
        service_manager::status(&status);
    }
    tokio::time::sleep(READY).await;
    if !gate.is_open() {
        service_manager::ready(&status);
    }
    loop {
        tokio::time::sleep(READY).await;
        service_manager::alive();
    }
}

fn log_start(config: &Config) {
    tracing::info!(
        socket = %config.socket.display(),
        containerd = %config.containerd_address.display(),
        namespace = config.containerd_namespace,
        brake = config.brake.limits().map_or("off".to_owned(), |brake| brake.to_string()),
        "serving"
    );
}

fn watched(namespaces: &[String]) -> Watched {
    if namespaces.iter().any(|name| name == "*") {
        Watched::All
    } else {
        Watched::Only(namespaces.to_vec())
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

fn stop_on_signal(cancel: CancellationToken) -> io::Result<impl Future<Output = ()>> {
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
