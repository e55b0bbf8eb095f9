//! Tokens of ServiceAccounts in the volumes of pods: issued when a pod is read, and again before they
//! end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::token_requests::named;
use crate::domain::spec::{
    AccountToken, Content, IssuedToken, MissingReference, PodSpec, ReferenceUser, SpecErrors,
    Validated,
};
use crate::domain::status::Phase;
use crate::domain::time::Later;
use crate::kube_authority::{AUDIENCE, Account, Authority, AuthorityError, Named};
use crate::kube_objects::Store;
use crate::supervisor::PodView;

/// Issues the tokens of pods.
#[derive(Clone)]
pub struct PodTokens {
    authority: Arc<Authority>,
    store: Store,
}

impl PodTokens {
    pub fn new(authority: Arc<Authority>, store: Store) -> Self {
        Self { authority, store }
    }

    /// Gives a pod its tokens: those that the live pod has, until they are to be renewed, and new
    /// ones. A token whose account does not exist is a missing reference, or stays as it is.
    pub fn fill(
        &self,
        pod: Validated<PodSpec>,
        live: Option<&PodSpec>,
        now: SystemTime,
    ) -> Result<Validated<PodSpec>, SpecErrors> {
        if pod.account_tokens().next().is_none() {
            return Ok(pod);
        }
        let mut spec = pod.into_inner();
        let account = self.account(&spec);
        let account_name = spec.account_name().to_owned();
        let namespace = spec.namespace.clone();
        let pod = Named { name: spec.name.clone(), uid: spec.uid.clone() };
        let mut missing = Vec::new();
        for (volume, token) in spec.account_tokens_mut() {
            let before = live.and_then(|live| issued_of(live, volume, token));
            let is_current = |before: &IssuedToken| {
                let is_of_account = |account: &Named| account.uid == before.account_uid;
                account.as_ref().is_none_or(is_of_account) && before.renewal(now) > now
            };
            token.issued = match &account {
                Some(account) if !before.is_some_and(is_current) => {
                    let of = Account {
                        namespace: namespace.clone(),
                        account: account.clone(),
                        pod: Some(pod.clone()),
                        secret: None,
                    };
                    let issued = self.issue(of, token, now);
                    let issued = issued.inspect_err(|error| {
                        tracing::warn!(pod = pod.name, %error, "no token is issued");
                    });
                    issued.ok().or_else(|| before.cloned())
                }
                _ => before.cloned(),
            };
            if token.issued.is_none() {
                let message =
                    format!("failed to fetch token: serviceaccounts {account_name:?} not found");
                let user = ReferenceUser::Volume(volume.to_owned());
                missing.push(MissingReference { user, message });
            }
        }
        spec.stored.get_or_insert_default().missing.extend(missing);
        spec.validate()
    }

    /// UID of the pod's account, if the pod has tokens. A pod gets other ones with another account.
    pub fn account_uid(&self, pod: &PodSpec) -> Option<String> {
        pod.account_tokens().next()?;
        Some(self.account(pod).map(|account| account.uid).unwrap_or_default())
    }

    fn account(&self, pod: &PodSpec) -> Option<Named> {
        named(&self.store, "serviceaccounts", &pod.namespace, pod.account_name())
    }

    fn issue(
        &self,
        account: Account,
        token: &AccountToken,
        now: SystemTime,
    ) -> Result<IssuedToken, AuthorityError> {
        let length = u64::try_from(token.expiration_seconds).unwrap_or_default();
        let expires = now.later(Duration::from_secs(length));
        let audience = token.audience.clone().unwrap_or_else(|| AUDIENCE.to_owned());
        let text = self.authority.issue_account_token(&account, vec![audience], (now, expires))?;
        let content = Content(text.into_bytes());
        Ok(IssuedToken { content, account_uid: account.account.uid, from: now, expires })
    }
}

/// When the next token of a pod is to be renewed. Those of a pod that has ended are not.
pub fn next_renewal(view: &PodView, now: SystemTime) -> Option<SystemTime> {
    if matches!(view.status.phase, Phase::Succeeded | Phase::Failed) {
        return None;
    }
    let issued = view.spec.account_tokens().filter_map(|(_, token)| token.issued.as_ref());
    issued.map(|issued| issued.renewal(now)).min()
}

/// The token that a live pod has in this file.
fn issued_of<'a>(live: &'a PodSpec, volume: &str, of: &AccountToken) -> Option<&'a IssuedToken> {
    let is_same = |token: &AccountToken| {
        let shape = |token: &AccountToken| AccountToken { issued: None, ..token.clone() };
        shape(token) == shape(of)
    };
    let mut tokens = live.account_tokens().filter(|(name, _)| *name == volume);
    tokens.find(|(_, token)| is_same(token))?.1.issued.as_ref()
}

#[cfg(test)]
mod tests {
    use probelet_kube_wire::discovery::Catalog;
    use probelet_kube_wire::feed::{Key, Stored};
    use serde_json::json;

    use super::*;
    use crate::domain::spec::{Files, Part, Volume, VolumeSource, sample};

    const HOUR: i64 = 3600;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn pod() -> PodSpec {
        let token = AccountToken {
            path: "token".into(),
            audience: None,
            expiration_seconds: HOUR,
            issued: None,
        };
        let parts = vec![Part::ServiceAccountToken(token)];
        let files = Files { projected: true, default_mode: 0o644, parts };
        let source = VolumeSource::Files(files);
        PodSpec { volumes: vec![Volume { name: "t".into(), source }], ..sample::pod() }
    }

    fn filled(tokens: &PodTokens, live: Option<&PodSpec>, seconds: u64) -> PodSpec {
        tokens.fill(pod().validate().unwrap(), live, at(seconds)).unwrap().into_inner()
    }

    fn issued(pod: &PodSpec) -> &IssuedToken {
        pod.account_tokens().next().unwrap().1.issued.as_ref().unwrap()
    }

    #[test]
    fn a_pod_keeps_its_token_until_it_is_due_or_of_another_account() {
        let folder = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:6443".parse().unwrap();
        let authority = Arc::new(Authority::open(folder.path(), listen).unwrap());
        let store = Store::new(1);
        let tokens = PodTokens::new(authority.clone(), store.clone());
        // Without the account the pod waits.
        let waiting = filled(&tokens, None, 1000);
        let why = waiting.missing_reference(&waiting.containers[0].name).unwrap();
        assert!(
            why.ends_with("failed to fetch token: serviceaccounts \"default\" not found"),
            "{why}"
        );
        let accounts =
            Catalog::default().find("", "v1", "serviceaccounts").map(Stored::of).unwrap();
        let namespace = pod().namespace;
        let publish = |uid: &str| {
            let metadata = json!({"name": "default", "namespace": namespace, "uid": uid});
            store.publish(accounts, json!({"metadata": metadata}), 1).unwrap();
        };
        publish("one");
        let first = filled(&tokens, Some(&waiting), 1000);
        assert_eq!(first.missing_reference(&first.containers[0].name), None);
        assert_eq!((issued(&first).from, issued(&first).expires), (at(1000), at(4600)));
        let text = String::from_utf8(issued(&first).content.0.clone()).unwrap();
        let (account, expires) = authority.by_account_token(&text, at(4599)).unwrap();
        assert_eq!((account.pod.unwrap().uid, expires), (pod().uid, at(4600)));
        // It is kept until 80 % of its time are over.
        assert_eq!(issued(&filled(&tokens, Some(&first), 3879)), issued(&first));
        let second = filled(&tokens, Some(&first), 3880);
        assert_eq!(issued(&second).expires, at(7480));
        // Another account has other tokens, and a deleted one takes none away.
        publish("two");
        let third = filled(&tokens, Some(&second), 3881);
        assert_ne!(issued(&third), issued(&second));
        store.remove(accounts, &Key::new(&*namespace, "default"), 2);
        let kept = filled(&tokens, Some(&third), 9000);
        assert_eq!(issued(&kept), issued(&third));
        assert_eq!(kept.missing_reference(&kept.containers[0].name), None);
    }
}
