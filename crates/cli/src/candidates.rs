//! The names of the live daemon, for completion: bounded by a short time, and none at all if it does not
//! answer.

use std::time::Duration;

use super::connect::{Client, Connection, call};
use super::error::Result;
use probelet_api::pb;

/// The time that the shell waits for the names.
const PATIENCE: Duration = Duration::from_secs(1);
/// Limit of the candidates: a longer list cannot be read.
const MOST: usize = 1000;

/// A name, and what a shell may show beside it.
pub type Candidate = (String, String);

/// What a word of the command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Pods of a namespace; empty for `default` and adopted containers.
    Pods(String),
    /// The containers of a pod.
    Containers {
        /// The namespace of the pod; empty for `default`.
        namespace: String,
        /// The pod.
        pod: String,
    },
    /// The images in containerd.
    Images,
    /// The namespaces that pods are in.
    Namespaces,
}

/// The names, or none after a failure: a message would be in the middle of the command line.
pub fn of_daemon(connection: &Connection, wanted: &Wanted) -> Vec<Candidate> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let mut names = runtime.block_on(read(connection, wanted)).unwrap_or_default();
    names.truncate(MOST);
    names
}

/// The names; `None` after a failure or if the daemon takes too long.
async fn read(connection: &Connection, wanted: &Wanted) -> Option<Vec<Candidate>> {
    let reading = async {
        let client = connection.connect().await?;
        names(&client, wanted).await
    };
    tokio::time::timeout(PATIENCE, reading).await.ok()?.ok()
}

async fn names(client: &Client, wanted: &Wanted) -> Result<Vec<Candidate>> {
    if *wanted == Wanted::Images {
        let mut images = client.images();
        let list = call(pb::ListImagesRequest {}, PATIENCE, |r| images.list_images(r)).await?;
        return Ok(list.images.into_iter().map(|image| (image.name, String::new())).collect());
    }
    let mut pods = client.pods();
    let all = call(pb::ListPodsRequest::default(), PATIENCE, |r| pods.list_pods(r)).await?.pods;
    Ok(of_pods(all, wanted))
}

fn of_pods(pods: Vec<pb::Pod>, wanted: &Wanted) -> Vec<Candidate> {
    let is_of = |pod: &pb::Pod, namespace: &str| match namespace {
        "" => pod.namespace == "default" || pod.name.contains('/'),
        namespace => pod.namespace == namespace,
    };
    match wanted {
        Wanted::Pods(namespace) => {
            let pods = pods.into_iter().filter(|pod| is_of(pod, namespace));
            pods.map(|pod| (pod.name, pod.phase)).collect()
        }
        Wanted::Containers { namespace, pod: name } => {
            let pods = pods.into_iter().filter(|pod| is_of(pod, namespace) && pod.name == *name);
            pods.flat_map(|pod| pod.containers).map(|one| (one.name, one.image)).collect()
        }
        Wanted::Namespaces => {
            let mut names: Vec<_> = pods.into_iter().map(|pod| pod.namespace).collect();
            names.sort();
            names.dedup();
            names.into_iter().map(|name| (name, String::new())).collect()
        }
        Wanted::Images => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_namespace() {
        let pod = |namespace: &str, name: &str| pb::Pod {
            namespace: namespace.into(),
            name: name.into(),
            phase: "Running".into(),
            containers: vec![pb::Container { name: format!("{name}-c"), ..Default::default() }],
            ..Default::default()
        };
        let pods =
            || vec![pod("default", "web"), pod("prod", "db"), pod("probelet-adopted", "m/x")];
        let named = |wanted| of_pods(pods(), &wanted).into_iter().map(|(name, _)| name).collect();
        let names: Vec<String> = named(Wanted::Pods(String::new()));
        assert_eq!(names, ["web", "m/x"]);
        let names: Vec<String> = named(Wanted::Pods("prod".into()));
        assert_eq!(names, ["db"]);
        let of_db = Wanted::Containers { namespace: "prod".into(), pod: "db".into() };
        let names: Vec<String> = named(of_db);
        assert_eq!(names, ["db-c"]);
        let names: Vec<String> = named(Wanted::Namespaces);
        assert_eq!(names, ["default", "probelet-adopted", "prod"]);
    }
}
