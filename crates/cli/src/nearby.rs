//! What a name that does not exist was probably meant to be: the hint of an error.

use probelet_text::nearest::nearest;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use probelet_api::pb;

/// Adds a hint to the error of a pod or container that does not exist: the near name of another, the
/// namespace that has it, or the pod's containers.
pub async fn explain(client: &Client, (namespace, name): (&str, &str), error: Error) -> Error {
    if !error.is_not_found() || matches!(error, Error::Hinted { .. }) {
        return error;
    }
    match hint(client, namespace, name).await {
        Ok(Some(hint)) => error.hint(hint),
        // The error itself says enough.
        Ok(None) | Err(_) => error,
    }
}

async fn hint(client: &Client, namespace: &str, name: &str) -> Result<Option<String>> {
    let mut pods = client.pods();
    let all = call(pb::ListPodsRequest::default(), UNARY, |r| pods.list_pods(r)).await?.pods;
    Ok(of(&all, namespace, name))
}

fn of(pods: &[pb::Pod], namespace: &str, name: &str) -> Option<String> {
    let named = |pod: &&pb::Pod| pod.name == name;
    // The names of adopted containers are in every list without a namespace.
    let is_here = |pod: &&pb::Pod| pod.namespace == namespace || pod.name.contains('/');
    if let Some(pod) = pods.iter().filter(is_here).find(named) {
        let containers: Vec<_> = pod.containers.iter().map(|one| one.name.as_str()).collect();
        return Some(format!("pod {name:?} has the containers {}", containers.join(", ")));
    }
    if let Some(elsewhere) = pods.iter().find(named) {
        let other = &elsewhere.namespace;
        return Some(format!("pod {name:?} is in the namespace {other:?}: add -n {other}"));
    }
    let names = pods.iter().filter(is_here).map(|pod| pod.name.as_str());
    let id = |pod: &pb::Pod| pod.name.rsplit_once('/').is_some_and(|(_, id)| id == name);
    if let Some(adopted) = pods.iter().find(|pod| id(pod)) {
        return Some(format!("the adopted container is {:?}", adopted.name));
    }
    nearest(name, names).map(|near| format!("did you mean {near:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(namespace: &str, name: &str) -> pb::Pod {
        let container = |name: &str| pb::Container { name: name.into(), ..Default::default() };
        pb::Pod {
            namespace: namespace.into(),
            name: name.into(),
            containers: ["app", "log"].map(container).to_vec(),
            ..Default::default()
        }
    }

    #[test]
    fn a_missing_name_leads_to_what_exists() {
        let pods = [
            pod("default", "web"),
            pod("prod", "db"),
            pod("prod", "wed"),
            pod("probelet-adopted", "moby/cache"),
        ];
        for (name, expected) in [
            ("web", Some("pod \"web\" has the containers app, log")),
            ("wbe", Some("did you mean \"web\"?")),
            ("db", Some("pod \"db\" is in the namespace \"prod\": add -n prod")),
            ("cache", Some("the adopted container is \"moby/cache\"")),
            ("moby/cach", Some("did you mean \"moby/cache\"?")),
            ("nginx", None),
        ] {
            assert_eq!(of(&pods, "default", name).as_deref(), expected, "{name}");
        }
    }
}
