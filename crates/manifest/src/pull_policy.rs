//! Pull policies of containers' images and of image volumes.

use probelet_domain::image::PullPolicy;
use probelet_domain::spec::SpecError;

/// The policy of this name; nothing if none is set.
pub fn read(field: &str, policy: Option<&str>, errors: &mut Vec<SpecError>) -> Option<PullPolicy> {
    let name = policy.filter(|policy| !policy.is_empty())?;
    let policy = PullPolicy::ALL.into_iter().find(|policy| policy.as_str() == name);
    if policy.is_none() {
        let supported = PullPolicy::ALL.map(PullPolicy::as_str);
        errors.push(SpecError::unsupported(field, name, &supported));
    }
    policy
}
