//! Tokens of a pod's ServiceAccount, as files of its volumes.

use std::time::{Duration, SystemTime};

use super::{Content, Part, PodSpec, Volume, VolumeSource};
use crate::time::Later;

/// Name of the account of a pod that names none.
const DEFAULT_ACCOUNT: &str = "default";
/// A token is renewed after this share of its time, in percent, and after a day, as by the kubelet.
const RENEWED_AT: u32 = 80;
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Kubernetes' `serviceAccountToken` in a projected volume: a token in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountToken {
    /// Path of the file relative to the volume, without `..`.
    pub path: String,
    /// Audience that the token is for; the Kubernetes API if unset.
    pub audience: Option<String>,
    /// Seconds that a token is valid, from 600 to 2^32. It is renewed before its end.
    pub expiration_seconds: i64,
    /// Token that the file has; `None` until the Kubernetes API has issued one.
    pub issued: Option<IssuedToken>,
}

/// A token that was issued. It is stored with the pod, because a restart needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// Text of the token.
    pub content: Content,
    /// UID of the account that it is for.
    pub account_uid: String,
    /// Time from which it is valid.
    pub from: SystemTime,
    /// Time at which it ends.
    pub expires: SystemTime,
}

impl IssuedToken {
    /// Time at which the next token is issued. A clock that was set back since makes it at once.
    pub fn renewal(&self, now: SystemTime) -> SystemTime {
        let Ok(length) = self.expires.duration_since(self.from) else { return now };
        if now < self.from {
            return now;
        }
        self.from.later((length * RENEWED_AT / 100).min(LONGEST))
    }
}

impl PodSpec {
    /// Name of the pod's ServiceAccount.
    pub fn account_name(&self) -> &str {
        self.service_account.as_deref().unwrap_or(DEFAULT_ACCOUNT)
    }

    /// The tokens of the pod's volumes, each with the name of its volume.
    pub fn account_tokens(&self) -> impl Iterator<Item = (&str, &AccountToken)> {
        self.volumes
            .iter()
            .flat_map(|volume| parts(volume).map(|token| (volume.name.as_str(), token)))
    }

    /// The tokens of the pod's volumes, to be issued, each with the name of its volume.
    pub fn account_tokens_mut(&mut self) -> impl Iterator<Item = (&str, &mut AccountToken)> {
        self.volumes.iter_mut().flat_map(|Volume { name, source }| {
            let parts = match source {
                VolumeSource::Files(files) => files.parts.as_mut_slice(),
                _ => &mut [],
            };
            let name = name.as_str();
            parts.iter_mut().filter_map(move |part| match part {
                Part::ServiceAccountToken(token) => Some((name, token)),
                Part::Object { .. } | Part::DownwardApi(_) => None,
            })
        })
    }

    /// User that owns the files of tokens: the one that all containers run as, as in the kubelet.
    /// `None` if they differ, or if the image of one decides.
    pub fn token_owner(&self) -> Option<u32> {
        let user = |container: &super::ContainerSpec| {
            container.security.identity.user.or(self.security.identity.user)
        };
        let mut users = self.all().map(user);
        let first = users.next().flatten()?;
        users.all(|user| user == Some(first)).then(|| u32::try_from(first).ok()).flatten()
    }
}

fn parts(volume: &Volume) -> impl Iterator<Item = &AccountToken> {
    let parts = match &volume.source {
        VolumeSource::Files(files) => files.parts.as_slice(),
        _ => &[],
    };
    parts.iter().filter_map(|part| match part {
        Part::ServiceAccountToken(token) => Some(token),
        Part::Object { .. } | Part::DownwardApi(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::sample;

    #[test]
    fn a_token_is_renewed_before_its_end() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let token = |from, expires| IssuedToken {
            content: Content(Vec::new()),
            account_uid: "u".into(),
            from: at(from),
            expires: at(expires),
        };
        for (from, expires, now, expected) in [
            (1000, 1600, 1000, 1480),
            (1000, 4607, 2000, 1000 + 3607 * 80 / 100),
            (1000, 1000 + 10 * 86_400, 1000, 1000 + 86_400),
            // The clock was set back.
            (1000, 1600, 999, 999),
            (1600, 1000, 1700, 1700),
        ] {
            let renewal = token(from, expires).renewal(at(now));
            let seconds = renewal.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            assert_eq!(seconds, expected, "{from} {expires} {now}");
        }
    }

    #[test]
    fn the_owner_is_the_one_user_of_all_containers() {
        let owner = |pod: Option<i64>, users: &[Option<i64>]| {
            let mut spec = sample::pod();
            let one = spec.containers[0].clone();
            spec.security.identity.user = pod;
            spec.containers = users.iter().map(|_| one.clone()).collect();
            for (container, user) in spec.containers.iter_mut().zip(users) {
                container.security.identity.user = *user;
            }
            spec.token_owner()
        };
        assert_eq!(owner(None, &[None]), None);
        assert_eq!(owner(Some(5), &[None]), Some(5));
        assert_eq!(owner(Some(5), &[None, Some(6)]), None);
        assert_eq!(owner(Some(5), &[Some(6), Some(6)]), Some(6));
        assert_eq!(owner(None, &[Some(6), None]), None);
        assert_eq!(owner(Some(0), &[None, None]), Some(0));
    }
}
