//! Facts about the host that do not change while the daemon runs.

use std::time::SystemTime;

use super::host_objects::HostFacts;
use crate::files;
use probelet_oci::Facts;

impl HostFacts {
    /// Reads the facts. What cannot be read is empty.
    pub fn read(facts: Facts, started: SystemTime) -> Self {
        let text = |path: &str| {
            let text = files::read_text(path, files::CONFIGURATION).unwrap_or_default();
            text.trim().to_owned()
        };
        Self {
            name: facts.hostname,
            // The facts have thousandths of cores.
            cpus: facts.cpu / 1000,
            memory: facts.memory,
            kernel: text("/proc/sys/kernel/osrelease"),
            os_image: pretty_name(&text("/etc/os-release")).unwrap_or_default(),
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            machine_id: text("/etc/machine-id"),
            started,
        }
    }
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_system_is_unquoted() {
        let text = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(text).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(pretty_name("ID=debian"), None);
    }
}
