//! The names of objects on the command line: `pods`, `pod NAME`, `pod/NAME`.

use probelet_text::nearest::nearest;

use super::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Pod,
    Event,
}

fn kind(text: &str) -> Result<Kind> {
    match text.to_ascii_lowercase().as_str() {
        "pod" | "pods" | "po" => Ok(Kind::Pod),
        "event" | "events" | "ev" => Ok(Kind::Event),
        other => Err(Error::Usage(format!("no resource type {text:?}: {}", instead(other)))),
    }
}

/// What to type in place of a type that this client does not have.
fn instead(text: &str) -> String {
    match text {
        "all" => "`probelet get pods -A` lists all that runs".to_owned(),
        "image" | "images" => "`probelet images`".to_owned(),
        "container" | "containers" | "task" | "tasks" => {
            "`probelet get pods`, and `probelet describe pod NAME` for the containers of one"
                .to_owned()
        }
        text if OF_KUBERNETES.contains(&text) => {
            "probelet's own client has pods and events; kubectl \
             has the others if the daemon has --kube-api (docs/kubectl.md)"
                .to_owned()
        }
        text => match nearest(text, ["pod", "pods", "event", "events"]) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "probelet has pods and events; a pod is `pod NAME` or `pod/NAME`".to_owned(),
        },
    }
}

const OF_KUBERNETES: [&str; 38] = [
    "cm",
    "configmap",
    "configmaps",
    "cj",
    "cronjob",
    "cronjobs",
    "daemonset",
    "daemonsets",
    "deploy",
    "deployment",
    "deployments",
    "ds",
    "ing",
    "ingress",
    "job",
    "jobs",
    "namespace",
    "namespaces",
    "no",
    "node",
    "nodes",
    "ns",
    "pv",
    "pvc",
    "replicaset",
    "replicasets",
    "rs",
    "sa",
    "secret",
    "secrets",
    "service",
    "serviceaccount",
    "serviceaccounts",
    "services",
    "statefulset",
    "statefulsets",
    "sts",
    "svc",
];

/// True for `pod/NAME`. The name of an adopted container has a slash too.
fn has_type(name: &str) -> bool {
    name.split_once('/').is_some_and(|(text, _)| kind(text).is_ok())
}

/// Reads a type with names, or several `TYPE/NAME`.
pub fn resource(args: &[String]) -> Result<(Kind, Vec<String>)> {
    let Some((first, rest)) = args.split_first() else {
        return Err(Error::Usage("a resource type is needed: pods or events".to_owned()));
    };
    if !first.contains('/') {
        if let Some(name) = rest.iter().find(|name| has_type(name)) {
            return Err(Error::Usage(format!("{name:?}: the type was already given")));
        }
        return Ok((kind(first)?, rest.to_vec()));
    }
    let mut wanted = None;
    let mut names = Vec::with_capacity(args.len());
    for arg in args {
        let (text, name) = arg.split_once('/').unwrap_or((arg, ""));
        let of = kind(text)?;
        if name.is_empty() || wanted.is_some_and(|wanted| wanted != of) {
            return Err(Error::Usage(format!("{arg:?}: TYPE/NAME of one type is needed")));
        }
        wanted = Some(of);
        names.push(name.to_owned());
    }
    Ok((wanted.unwrap_or(Kind::Pod), names))
}

/// Reads the names of pods, one at least.
pub fn pods(args: &[String]) -> Result<Vec<String>> {
    match resource(args)? {
        (Kind::Pod, names) if !names.is_empty() => Ok(names),
        (Kind::Pod, _) => Err(Error::Usage("the name of a pod is needed".to_owned())),
        (Kind::Event, _) => Err(Error::Usage("this works on pods only".to_owned())),
    }
}

/// Reads names of pods after the type: `pod NAME…` or `pod/NAME…`. There may be none.
pub fn of_pods(args: &[String]) -> Result<Vec<String>> {
    match resource(args)? {
        (Kind::Pod, names) => Ok(names),
        (Kind::Event, _) => Err(Error::Usage("this works on pods only".to_owned())),
    }
}

/// Reads names of pods, with the type before them, in each, or not at all. A single word is a name,
/// unless it is the type alone.
pub fn plain(args: &[String]) -> Result<Vec<String>> {
    match args.split_first() {
        Some((first, rest)) if !first.contains('/') && matches!(kind(first), Ok(Kind::Pod)) => {
            rest.iter().map(|name| pod(name)).collect()
        }
        _ => args.iter().map(|name| pod(name)).collect(),
    }
}

/// Reads `NAME` or `pod/NAME`.
pub fn pod(arg: &str) -> Result<String> {
    if has_type(arg) {
        return Ok(pods(&[arg.to_owned()])?.into_iter().collect());
    }
    Ok(arg.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_form() {
        assert_eq!(resource(&split("po")).unwrap(), (Kind::Pod, vec![]));
        assert_eq!(resource(&split("ev web")).unwrap(), (Kind::Event, split("web")));
        assert_eq!(resource(&split("pod/a pods/b")).unwrap(), (Kind::Pod, split("a b")));
        assert_eq!(pods(&split("pod a b")).unwrap(), split("a b"));
        assert_eq!(pod("pod/a").unwrap(), "a");
        assert_eq!(pod("a").unwrap(), "a");
        assert_eq!(pod("default/web").unwrap(), "default/web");
        assert_eq!(pod("pod/default/web").unwrap(), "default/web");
        assert_eq!(pods(&split("pod default/web")).unwrap(), split("default/web"));
    }

    #[test]
    fn wrong_usage() {
        for text in ["service a", "pod/", "pod/a event/b", "pod a pod/b", "pod/a b"] {
            assert!(matches!(resource(&split(text)), Err(Error::Usage(_))), "{text}");
        }
        assert!(pods(&split("pod")).is_err());
        assert!(pod("event/a").is_err());
    }
}
