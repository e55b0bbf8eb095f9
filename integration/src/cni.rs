//! A network for the pods of a test: a bridge with a few addresses, which is removed with
//! [`Bridge`].

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::Host;

/// The most networks of one process. Each has 16 addresses.
const NETWORKS: u32 = 16;

pub struct Bridge {
    name: String,
    subnet: String,
}

impl Bridge {
    /// Chooses a name and a subnet. The CNI plugin creates the bridge when it runs first.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (pid, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        ensure!(count < NETWORKS, "no addresses are left for another network");
        let (high, low) = (200 + pid / 250 % 50, pid % 250);
        let subnet = format!("10.{high}.{low}.{}/28", count * 16);
        Ok(Self { name: format!("pt{pid}x{count}"), subnet })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bridge's entry in a conflist.
    pub fn plugin(&self, host: &Host) -> Value {
        json!({
            "type": "bridge", "bridge": self.name, "isDefaultGateway": true,
            "ipam": {
                "type": "host-local", "ranges": [[{ "subnet": self.subnet }]],
                "dataDir": host.path("ipam"),
            },
        })
    }

    pub fn configure(&self, host: &Host) -> Result<()> {
        self.configure_with(host, &[])
    }

    /// Writes a conflist with the bridge and further plugins.
    pub fn configure_with(&self, host: &Host, more: &[Value]) -> Result<()> {
        let plugins: Vec<_> = [self.plugin(host)].iter().chain(more).cloned().collect();
        let list = json!({ "cniVersion": "1.0.0", "name": self.name, "plugins": plugins });
        fs::create_dir_all(host.path("cni"))?;
        Ok(fs::write(host.path("cni/10-test.conflist"), list.to_string())?)
    }

    /// The addresses that are allocated now.
    pub fn taken(&self, host: &Host) -> Vec<String> {
        let files =
            fs::read_dir(host.path("ipam").join(&self.name)).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        names.filter(|name| name.starts_with("10.")).collect()
    }

    /// The iptables rules (table `nat`) that name this network.
    pub fn rules(&self) -> Vec<String> {
        let saved = Command::new("iptables-save").args(["-t", "nat"]).output();
        let text = saved.map(|saved| String::from_utf8_lossy(&saved.stdout).into_owned());
        let text = text.unwrap_or_default();
        text.lines().filter(|line| line.contains(&self.name)).map(str::to_owned).collect()
    }
}

/// Another machine next to the host, simulated by a network namespace.
pub struct Outside {
    name: String,
    /// The host's address in the network between the two.
    pub host: String,
}

impl Outside {
    pub fn new(bridge: &Bridge) -> Result<Self> {
        let name = format!("{}o", bridge.name);
        let net = format!("198.18.{}", std::process::id() % 250);
        let outside = Self { host: format!("{net}.1"), name };
        let name = &outside.name;
        for line in [
            format!("netns add {name}"),
            format!("link add {name} type veth peer name eth0 netns {name}"),
            format!("address add {net}.1/30 dev {name}"),
            format!("link set {name} up"),
            format!("-n {name} address add {net}.2/30 dev eth0"),
            format!("-n {name} link set eth0 up"),
        ] {
            let done = Command::new("ip").args(line.split(' ')).output()?;
            ensure!(done.status.success(), "ip {line}: {done:?}");
        }
        Ok(outside)
    }

    /// Runs `work` in the other machine's network namespace, in a thread that ends afterwards.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = File::open(Path::new("/run/netns").join(&self.name))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(namespace.as_fd(), kind)?;
                work()
            });
            thread.join().map_err(|_| anyhow!("the thread in the other namespace panicked"))?
        })
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // The deletion of one end removes the whole link.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.name]).output();
        // A failed test may leave rules. Only the jumps of portmap have the network's name.
        for rule in self.rules() {
            let words = shell_words(&rule.replacen("-A ", "-D ", 1));
            let _ = Command::new("iptables").args(["-t", "nat"]).args(&words).output();
            if let Some(chain) = words.iter().position(|word| word == "-j") {
                for flag in ["-F", "-X"] {
                    let chain = words.get(chain + 1).map(String::as_str).unwrap_or_default();
                    let _ = Command::new("iptables").args(["-t", "nat", flag, chain]).output();
                }
            }
        }
    }
}

/// Splits a line of `iptables-save`, which quotes with `"` and escapes with `\`.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut escaped) = (vec![], String::new(), false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The conflist entry of the plugin that maps ports of the host to pods.
pub fn portmap() -> Value {
    json!({ "type": "portmap", "capabilities": { "portMappings": true } })
}
