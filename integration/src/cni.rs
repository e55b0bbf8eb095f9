//! A network of one's own for pods: a bridge with a few addresses, gone with [`Bridge`].

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::Host;

/// Addresses go by sixteen.
const NETWORKS: u32 = 16;

pub struct Bridge {
    name: String,
    subnet: String,
}

impl Bridge {
    /// The first plugin that is run makes the bridge.
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

    /// As a plugin of a conflist.
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

    /// With plugins after the bridge.
    pub fn configure_with(&self, host: &Host, more: &[Value]) -> Result<()> {
        let plugins: Vec<_> = [self.plugin(host)].iter().chain(more).cloned().collect();
        let list = json!({ "cniVersion": "1.0.0", "name": self.name, "plugins": plugins });
        fs::create_dir_all(host.path("cni"))?;
        Ok(fs::write(host.path("cni/10-test.conflist"), list.to_string())?)
    }

    /// The addresses that are given out.
    pub fn taken(&self, host: &Host) -> Vec<String> {
        let files =
            fs::read_dir(host.path("ipam").join(&self.name)).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        names.filter(|name| name.starts_with("10.")).collect()
    }

    /// What of it iptables has.
    pub fn rules(&self) -> Vec<String> {
        let saved = Command::new("iptables-save").args(["-t", "nat"]).output();
        let text = saved.map(|saved| String::from_utf8_lossy(&saved.stdout).into_owned());
        let text = text.unwrap_or_default();
        text.lines().filter(|line| line.contains(&self.name)).map(str::to_owned).collect()
    }
}

/// A neighbour of the host, with a network namespace of its own.
pub struct Outside {
    name: String,
    /// The host's, as it sees it.
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

    /// From a thread that is thrown away after it.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = File::open(Path::new("/run/netns").join(&self.name))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(namespace.as_fd(), kind)?;
                work()
            });
            thread.join().map_err(|_| anyhow!("the thread outside died"))?
        })
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // The link goes with its other end.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.name]).output();
        // What a failed test has left. Only portmap's jumps have the network's name.
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

/// As `iptables-save` quotes: by `"`, and `\` within.
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

/// A plugin that leads ports of the host to pods.
pub fn portmap() -> Value {
    json!({ "type": "portmap", "capabilities": { "portMappings": true } })
}
