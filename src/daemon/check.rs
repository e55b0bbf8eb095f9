//! `probelet check`: whether this host has what the daemon needs, before it is started; and what of it
//! matters while the daemon runs, for `probelet status`.

mod certificates;
mod clock;
mod finding;
mod host;
mod live;

use std::path::Path;
use std::time::SystemTime;

use probelet_containerd::Containerd;
use probelet_runtime::Runtime;
use tokio::sync::watch;

pub use finding::{Finding, Format, Verdict, is_broken, render};
pub use live::LiveChecks;

use super::config::{Config, SNAPSHOTTER};
use super::namespace_lock::NamespaceLock;
use super::tls_listener;
use certificates::CERTIFICATES;

use crate::clock as host_clock;
use crate::cni::Cni;
use crate::node::count_pending_records;
use crate::supervisor::now;
use crate::{build_info, kube_authority, pressure, registry};

/// The arguments of `check`: those of `serve`, and the format of the output.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON: a list of objects with `subject`, `verdict`, `found` and `advice`.
    #[arg(short, long, value_enum)]
    pub output: Option<Format>,
    #[command(flatten)]
    pub config: Config,
}

/// Checks the host for a daemon with this configuration. Changes nothing.
pub async fn run(config: &Config) -> Vec<Finding> {
    registry::install_tls();
    let mut findings = vec![containerd(config).await, namespace(config).await];
    let path = std::env::var_os("PATH").unwrap_or_default();
    findings.push(host::runtime(&path));
    findings.push(host::processes());
    findings.push(host::cgroups(Path::new("/sys/fs/cgroup")));
    findings.push(host::pressure_stalls(pressure::read()));
    findings.push(network(config).await);
    findings.push(host::group());
    findings.push(match config.check_folders() {
        Ok(()) => Finding::good("trust", "no other user can write to the folders of the daemon"),
        Err(error) => {
            let advice = "give it to root and remove the permissions of others";
            Finding::broken("trust", error.to_string(), advice)
        }
    });
    for folder in [&config.data_dir, &config.log_dir, &config.run_dir] {
        findings.push(host::space(folder));
    }
    findings.extend(lasting(config));
    findings
}

/// What can change while the daemon runs.
fn lasting(config: &Config) -> Vec<Finding> {
    let now = now().wall;
    let pending = count_pending_records(&config.run_dir, &config.containerd_namespace);
    let mut findings = vec![
        host::records(pending),
        clock::clock(host_clock::is_synchronized(), now, build_info::time()),
    ];
    findings.extend(certificates(config, now));
    findings
}

async fn containerd(config: &Config) -> Finding {
    let address = &config.containerd_address;
    let (_settings, registries) = watch::channel(config.registries.registries());
    let version = match Containerd::new(address.clone(), SNAPSHOTTER, registries) {
        Ok(containerd) => containerd.version().await,
        Err(error) => Err(error),
    };
    match version {
        Ok(version) => Finding::good("containerd", format!("{version} at {}", address.display())),
        Err(error) => {
            let found = format!("{}: {error}", address.display());
            Finding::broken("containerd", found, "start containerd, or set --containerd-address")
        }
    }
}

async fn namespace(config: &Config) -> Finding {
    let name = &config.containerd_namespace;
    match NamespaceLock::of(config).holder().await {
        Ok(None) => Finding::good("namespace", format!("{name}: no daemon manages it")),
        Ok(Some(holder)) => Finding::good("namespace", format!("{name}: managed by {holder}")),
        Err(error) => {
            let advice = "without containerd it is not known whether another daemon runs";
            Finding::degraded("namespace", error.to_string(), advice)
        }
    }
}

async fn network(config: &Config) -> Finding {
    let (conf_dir, bin_dirs) = (config.cni_conf_dir.clone(), &config.cni_bin_dirs);
    let shown = conf_dir.display().to_string();
    let cni = Cni::new(conf_dir, bin_dirs.clone(), &config.data_dir, String::new());
    match cni.network().await {
        Ok(None) => {
            let found = format!("no CNI configuration in {shown}");
            let advice = "pods have only their loopback, unless they use the host's network";
            Finding::degraded("network", found, advice)
        }
        Ok(Some(network)) => {
            let kinds: Vec<_> = network.plugins.iter().map(|plugin| plugin.kind.as_str()).collect();
            host::plugins(&network.name, &kinds, bin_dirs)
        }
        Err(error) => {
            let advice = "pods that need a network do not start until it is mended";
            Finding::broken("network", error.to_string(), advice)
        }
    }
}

fn certificates(config: &Config, now: SystemTime) -> Vec<Finding> {
    let files = match config.listen.address_and_files() {
        Ok(files) => files.map(|(_, files)| files),
        Err(error) => {
            let advice = "the daemon does not start with them";
            return vec![Finding::broken(CERTIFICATES, error.to_string(), advice)];
        }
    };
    let mut findings = Vec::new();
    if let Some(files) = files {
        // It fails too if the key does not belong to the certificate.
        if let Err(error) = tls_listener::acceptor(&files) {
            let advice = "the daemon does not start with them";
            findings.push(Finding::broken(CERTIFICATES, error.to_string(), advice));
        }
        findings.push(certificates::file("--tls-cert", &files.cert, now));
        findings.push(certificates::file("--tls-client-ca", &files.client_ca, now));
    }
    // The certificate that the Kubernetes API shows is made at each start, and signed by this one.
    let authority = config.kube_api.map(|_| kube_authority::certificate_file(&config.data_dir));
    let authority = authority.filter(|path| path.exists());
    findings.extend(authority.map(|path| certificates::file("--kube-api", &path, now)));
    findings
}
