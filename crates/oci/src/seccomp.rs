//! Seccomp profile for Kubernetes' `RuntimeDefault`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// System calls that are allowed without a check of arguments: a condition and names on each line.
const RULES: &str = include_str!("seccomp.rules");

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// Flags `CLONE_NEW…` of `clone`, except that of the time namespace. A call with any of them is
/// refused.
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// Permitted arguments of `personality`: `PER_LINUX`, `PER_LINUX32`, both with `UNAME26`, and the
/// query of the current one.
const PERSONALITIES: [u32; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Highest address family of `socket` that is allowed. Each family has a rule for its exact number,
/// because a range comparison would also see bits that the kernel cuts off.
const LAST_FAMILY: u32 = 45;
/// Families that are refused: `AF_ALG` (kernel crypto), and `AF_VSOCK`, which no namespace
/// isolates.
const NO_FAMILIES: [u32; 2] = [38, 40];

/// Returns the profile of a process with these capabilities (`CAP_…`) on this architecture, which
/// has Rust's name.
pub fn default_profile(capabilities: &[String], arch: &str) -> Value {
    let holds = |condition: &str| {
        condition == "always"
            || condition.strip_prefix("arch:") == Some(arch)
            || capabilities.iter().any(|have| have == condition)
    };
    let lines = RULES.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter_map(|line| line.split_once(' '));
    let names: BTreeSet<&str> = lines
        .filter(|(condition, _)| holds(condition))
        .flat_map(|(_, names)| names.split_whitespace())
        .collect();
    let mut syscalls = vec![json!({ "names": names, "action": "SCMP_ACT_ALLOW" })];
    syscalls.extend(PERSONALITIES.map(|value| when("personality", 0, value)));
    let families = (0..=LAST_FAMILY).filter(|family| !NO_FAMILIES.contains(family));
    syscalls.extend(families.map(|family| when("socket", 0, family)));
    if !holds("CAP_SYS_ADMIN") {
        let flags = if arch == "s390x" { 1 } else { 0 };
        syscalls.push(json!({
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{
                "index": flags, "value": NEW_NAMESPACES, "valueTwo": 0,
                "op": "SCMP_CMP_MASKED_EQ",
            }],
        }));
        // The flags of clone3 are in memory, where a filter cannot read them. On ENOSYS, C
        // libraries use clone.
        syscalls.push(json!({
            "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS,
        }));
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": architectures(arch),
        "syscalls": syscalls,
    })
}

fn when(name: &str, index: u32, value: u32) -> Value {
    json!({
        "names": [name],
        "action": "SCMP_ACT_ALLOW",
        "args": [{ "index": index, "value": value, "op": "SCMP_CMP_EQ" }],
    })
}

/// Returns the architectures of programs that the machine runs: its own, and compatible ones.
fn architectures(arch: &str) -> &'static [&'static str] {
    match arch {
        "x86_64" => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "aarch64" => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        "s390x" => &["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
        "riscv64" => &["SCMP_ARCH_RISCV64"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(profile: &Value) -> BTreeSet<&str> {
        let names = profile["syscalls"][0]["names"].as_array().unwrap();
        names.iter().filter_map(Value::as_str).collect()
    }

    fn with(capabilities: &[&str]) -> Value {
        let all: Vec<_> = capabilities.iter().map(|one| (*one).to_owned()).collect();
        default_profile(&all, "x86_64")
    }

    #[test]
    fn capabilities_allow_their_system_calls() {
        let plain = with(&[]);
        let names = allowed(&plain);
        for name in ["openat", "execve", "arch_prctl", "futex", "clock_gettime"] {
            assert!(names.contains(name), "{name}");
        }
        for name in ["mount", "bpf", "reboot", "setns", "keyctl", "io_uring_setup", "clone"] {
            assert!(!names.contains(name), "{name}");
        }
        assert!(!names.contains("breakpoint"), "another architecture's");
        let admin = with(&["CAP_SYS_ADMIN"]);
        assert!(allowed(&admin).contains("mount") && allowed(&admin).contains("clone3"));
        assert!(allowed(&with(&["CAP_SYS_TIME"])).contains("clock_settime"));
        let conditional = |profile: &Value, name: &str| {
            let all = profile["syscalls"].as_array().unwrap().iter().skip(1);
            all.filter(|rule| rule["names"][0] == name).count()
        };
        assert_eq!(conditional(&plain, "clone3"), 1);
        assert_eq!(conditional(&admin, "clone3"), 0);
        assert_eq!(conditional(&plain, "socket"), 44);
    }

    #[test]
    fn every_line_has_a_known_condition() {
        for line in RULES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (condition, names) = line.split_once(' ').unwrap();
            let known = condition == "always"
                || condition.starts_with("arch:")
                || probelet_domain::spec::capability::name(condition).is_some();
            assert!(known && !names.is_empty(), "{line}");
        }
    }

    #[test]
    fn the_profile_is_valid_in_a_runtime_spec() {
        let profile: oci_spec::runtime::LinuxSeccomp =
            serde_json::from_value(with(&["CAP_KILL"])).unwrap();
        assert_eq!(profile.architectures().as_ref().unwrap().len(), 3);
    }
}
