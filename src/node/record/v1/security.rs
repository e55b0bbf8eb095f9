//! Security contexts of a record.

use super::convert::{Convert, choice, plain, record};
use crate::domain::spec;

record!(
    #[derive(Default)]
    #[serde(default)]
    PodSecurity = spec::PodSecurity {
        identity: Identity,
        seccomp: Option<SeccompProfile>,
        app_armor: Option<AppArmorProfile>,
        fs_group: Option<i64>,
        fs_group_change_policy: Option<FsGroupChangePolicy>,
        supplemental_groups: Vec<i64>,
        supplemental_groups_policy: Option<GroupsPolicy>,
        sysctls: Vec<Sysctl>,
    }
);

record!(
    #[derive(Default)]
    #[serde(default)]
    Security = spec::Security {
        identity: Identity,
        seccomp: Option<SeccompProfile>,
        app_armor: Option<AppArmorProfile>,
        add: Vec<String>,
        drop: Vec<String>,
        privileged: Option<bool>,
        allow_privilege_escalation: Option<bool>,
        read_only_root_filesystem: Option<bool>,
        proc_mount: Option<ProcMount>,
    }
);

record!(
    #[derive(Default)]
    #[serde(default)]
    Identity = spec::Identity {
        user: Option<i64>,
        group: Option<i64>,
        non_root: Option<bool>,
    }
);

choice!(SeccompProfile = spec::SeccompProfile {
    RuntimeDefault,
    Unconfined,
    Localhost(value: String),
});

choice!(AppArmorProfile = spec::AppArmorProfile {
    RuntimeDefault,
    Unconfined,
    Localhost(value: String),
});

plain!(ProcMount = spec::ProcMount: Default, Unmasked);

plain!(GroupsPolicy = spec::GroupsPolicy: Merge, Strict);

plain!(FsGroupChangePolicy = spec::FsGroupChangePolicy: OnRootMismatch, Always);

record!(Sysctl = spec::Sysctl { name: String, value: String });
