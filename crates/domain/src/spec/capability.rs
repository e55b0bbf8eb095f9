//! Linux capabilities by name, and the set that a container gets.

use super::Security;

/// Names of all capabilities; the index of a name is the number of the capability.
const ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Capabilities of a container that asks for no others, as in containerd and Docker.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

const EVERY: &str = "ALL";

/// Bit of `CAP_SYS_RESOURCE`, which a process needs to lower its OOM score.
pub const SYS_RESOURCE: u64 = 1 << 24;

/// Returns the number of a capability by its name with `CAP_`, as runtime specs write it; `None` for
/// an unknown name.
pub fn number(written: &str) -> Option<u32> {
    let bare = written.strip_prefix("CAP_")?;
    let index = ALL.iter().position(|name| *name == bare)?;
    u32::try_from(index).ok()
}

/// Returns the capability's name in capitals and without `CAP_`, or `ALL`; `None` for an unknown
/// name.
pub fn name(written: &str) -> Option<&'static str> {
    let upper = written.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if bare == EVERY {
        return Some(EVERY);
    }
    ALL.into_iter().find(|known| *known == bare)
}

/// Returns the names of the container's capabilities, with `CAP_`. `all` has a bit for each
/// capability that a container on this machine can have.
///
/// The order is containerd's: `ALL` in `add` or `drop` replaces the default set, then single
/// capabilities are added, then dropped.
pub fn of(security: &Security, all: u64) -> Vec<String> {
    let has = |number: u32| all.checked_shr(number).is_some_and(|bits| bits & 1 == 1);
    let known =
        || ALL.into_iter().zip(0..).filter(|(_, number)| has(*number)).map(|(name, _)| name);
    let asked = |list: &[String]| list.iter().filter_map(|one| name(one)).collect::<Vec<_>>();
    let (add, drop) = (asked(&security.add), asked(&security.drop));
    let mut set: Vec<&str> = DEFAULT.to_vec();
    if security.is_privileged() {
        set = known().collect();
    } else {
        if add.contains(&EVERY) {
            set = known().collect();
        }
        if drop.contains(&EVERY) {
            set.clear();
        }
        for one in add.into_iter().filter(|one| *one != EVERY) {
            if !set.contains(&one) {
                set.push(one);
            }
        }
        set.retain(|one| !drop.contains(one));
    }
    set.into_iter().map(|one| format!("CAP_{one}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: u64 = (1 << 41) - 1;

    fn made(add: &[&str], drop: &[&str], privileged: bool) -> Vec<String> {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let security = Security {
            add: list(add),
            drop: list(drop),
            privileged: Some(privileged),
            ..Security::default()
        };
        of(&security, EVERYTHING)
    }

    #[test]
    fn names_are_taken_with_and_without_prefix() {
        assert_eq!(name("NET_ADMIN"), Some("NET_ADMIN"));
        assert_eq!(name("cap_net_admin"), Some("NET_ADMIN"));
        assert_eq!(name("all"), Some("ALL"));
        assert_eq!(name("NET_ADMINS"), None);
    }

    #[test]
    fn single_capabilities_are_added_to_and_dropped_from_the_set_of_all() {
        assert_eq!(made(&[], &[], false).len(), 14);
        assert_eq!(made(&["NET_BIND_SERVICE"], &["ALL"], false), ["CAP_NET_BIND_SERVICE"]);
        assert_eq!(made(&["ALL"], &["SYS_ADMIN"], false).len(), 40);
        assert!(made(&["SYS_TIME", "KILL"], &["KILL"], false).contains(&"CAP_SYS_TIME".into()));
        assert!(!made(&["SYS_TIME", "KILL"], &["KILL"], false).contains(&"CAP_KILL".into()));
        // `drop` takes precedence if both lists have `ALL`.
        assert!(made(&["ALL"], &["ALL"], false).is_empty());
        assert_eq!(made(&[], &["ALL"], true).len(), 41);
    }

    #[test]
    fn capabilities_that_the_machine_lacks_are_left_out() {
        let privileged = Security { privileged: Some(true), ..Security::default() };
        assert_eq!(
            of(&privileged, (1 << 38) - 1).last().map(String::as_str),
            Some("CAP_AUDIT_READ")
        );
    }
}
