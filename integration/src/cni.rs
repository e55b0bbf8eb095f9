//! A network of one's own for pods: a bridge with a few addresses, gone with [`Bridge`].

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};
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
            "type": "bridge", "bridge": self.name, "isGateway": true,
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
