//! User of the process in a runtime spec.

use serde::Deserialize;

use probelet_domain::user::User;

#[derive(Deserialize)]
struct Spec {
    process: Process,
}

#[derive(Deserialize)]
struct Process {
    #[serde(default)]
    user: SpecUser,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct SpecUser {
    uid: u32,
    gid: u32,
    additional_gids: Option<Vec<u32>>,
}

/// Returns user and groups of a runtime spec's process; `None` for a text that is not a spec or has
/// no process.
pub fn user_of(spec: &[u8]) -> Option<User> {
    let SpecUser { uid, gid, additional_gids } =
        serde_json::from_slice::<Spec>(spec).ok()?.process.user;
    Some(User { uid, gid, groups: additional_gids.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_user_runs_as_root() {
        let user =
            |text: &str| user_of(text.as_bytes()).map(|user| (user.uid, user.gid, user.groups));
        let whole = r#"{"process": {"args": ["a"], "user": {"uid": 7, "gid": 8, "additionalGids": [8, 9]}}}"#;
        assert_eq!(user(whole), Some((7, 8, vec![8, 9])));
        assert_eq!(user(r#"{"process": {"args": ["a"]}}"#), Some((0, 0, vec![])));
        assert_eq!(user(r#"{"ociVersion": "1.0.2"}"#), None);
        assert_eq!(user(""), None);
    }
}
