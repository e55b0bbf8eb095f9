//! The pods that a verb works on: names, `-l SELECTOR` or `--all`.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use probelet_kube_wire::selector::LabelSelector;
use serde_json::Value;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespaces;
use super::{names, nearby, objects};
use probelet_api::pb;

/// How many pods a verb works on at a time.
const AT_A_TIME: usize = 16;
/// The time after which a verb says what it waits for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many pods that are waited for are named.
const NAMED: usize = 5;

#[derive(Debug, clap::Args)]
pub struct Targets {
    /// `NAME…`, `pod NAME…` or `pod/NAME…`.
    #[arg(value_name = "POD")]
    names: Vec<String>,
    /// The pods whose labels match: `app=web,tier!=db`, `tier in (a,b)`, `!canary`.
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    selector: Option<LabelSelector>,
    /// All pods of the namespace. Adopted containers are meant only by their names.
    #[arg(long, conflicts_with = "selector")]
    all: bool,
    #[command(flatten)]
    namespaces: Namespaces,
}

pub fn selector(text: &str) -> std::result::Result<LabelSelector, String> {
    LabelSelector::parse(text).map_err(|error| error.to_string())
}

/// A pod by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
}

impl PodRef {
    fn of(pod: &pb::Pod) -> Self {
        Self { namespace: pod.namespace.clone(), name: pod.name.clone() }
    }
}

impl Targets {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        let names = self.given()?;
        self.namespaces.check(&names)?;
        match (names.is_empty(), self.is_choice()) {
            (true, false) => Err(Error::Usage(
                "the name of a pod is needed, or --all, or -l SELECTOR".to_owned(),
            )),
            (false, true) => {
                Err(Error::Usage("names go neither with --all nor with -l".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Reports names without a type too, as in `delete pod NAME`.
    pub fn check_typed(&self) -> Result<()> {
        if !self.names.is_empty() {
            names::of_pods(&self.names)?;
        }
        self.check()
    }

    /// Gives each object of a manifest the namespace of `-n`.
    pub fn fill_in(&self, objects: &mut [Value]) -> Result<()> {
        self.namespaces.fill_in(objects)
    }

    /// The names on the command line.
    fn given(&self) -> Result<Vec<String>> {
        names::plain(&self.names)
    }

    pub fn has_selector(&self) -> bool {
        self.selector.is_some()
    }

    /// True if there may be several pods.
    pub fn may_be_many(&self) -> bool {
        self.is_choice() || self.given().is_ok_and(|names| names.len() > 1)
    }

    /// Says that no pod was chosen, as kubectl does.
    pub fn none_found(&self, io: &mut Io<'_>) -> Result<()> {
        io.note(&self.namespaces.none_found())
    }

    fn is_choice(&self) -> bool {
        self.all || self.selector.is_some()
    }

    /// The pods. Names are not checked for existence.
    pub async fn resolve(&self, client: &Client) -> Result<Vec<PodRef>> {
        if !self.is_choice() {
            let pod = |name| PodRef { namespace: self.namespaces.name(), name };
            return Ok(self.given()?.into_iter().map(pod).collect());
        }
        let request = pb::ListPodsRequest { namespace: self.namespaces.of_list() };
        let mut pods = client.pods();
        let all = call(request, UNARY, |r| pods.list_pods(r)).await?.pods;
        let mut chosen = Vec::new();
        for pod in all.iter().filter(|pod| self.namespaces.shows_own(&pod.namespace)) {
            // A manifest that cannot be read is listed without containers: there is nothing to work on.
            if !pod.containers.is_empty() && matches(self.selector.as_ref(), pod)? {
                chosen.push(PodRef::of(pod));
            }
        }
        Ok(chosen)
    }

    /// Does the work for each pod and prints the line that it returns, also after it has failed for
    /// another pod. `aim` is what a person waits for: `to stop`.
    pub async fn each(
        &self,
        client: &Client,
        aim: &str,
        io: &mut Io<'_>,
        work: impl AsyncFn(&PodRef) -> Result<String>,
    ) -> Result<()> {
        let pods = self.resolve(client).await?;
        if pods.is_empty() {
            return self.none_found(io);
        }
        for_each(client, &pods, aim, io, work).await
    }
}

/// Does the work for these pods, several at a time, and prints the lines in their order.
pub async fn for_each(
    client: &Client,
    pods: &[PodRef],
    aim: &str,
    io: &mut Io<'_>,
    work: impl AsyncFn(&PodRef) -> Result<String>,
) -> Result<()> {
    let work = &work;
    let one = |pod| async move {
        let pod: &PodRef = pod;
        match work(pod).await {
            Ok(line) => Ok(line),
            Err(error) => Err(nearby::explain(client, (&pod.namespace, &pod.name), error).await),
        }
    };
    let mut done = std::pin::pin!(stream::iter(pods).map(one).buffered(AT_A_TIME));
    let patience = tokio::time::sleep(PATIENCE);
    let mut patience = std::pin::pin!(patience);
    let (mut finished, mut is_told, mut failed) = (0_usize, !io.is_interactive(), false);
    loop {
        let result = tokio::select! {
            biased;
            result = done.next() => result,
            () = &mut patience, if !is_told => {
                is_told = true;
                io.note(&waiting(pods.get(finished..).unwrap_or_default(), aim))?;
                continue;
            }
        };
        finished = finished.saturating_add(1);
        match result {
            None => break,
            Some(Ok(line)) if line.is_empty() => {}
            Some(Ok(line)) => io.line(&line)?,
            Some(Err(error)) if error.is_of_output() || pods.len() == 1 => return Err(error),
            Some(Err(error)) => {
                io.report(&error)?;
                failed = true;
            }
        }
    }
    if failed { Err(Error::Reported) } else { Ok(()) }
}

fn waiting(pods: &[PodRef], aim: &str) -> String {
    let names: Vec<_> = pods.iter().take(NAMED).map(|pod| format!("pod/{}", pod.name)).collect();
    let more = match pods.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("waiting for {}{more} {aim}", names.join(", "))
}

/// True if the labels of the pod match.
pub fn matches(selector: Option<&LabelSelector>, pod: &pb::Pod) -> Result<bool> {
    match selector {
        None => Ok(true),
        Some(selector) => Ok(selector.matches_object(&objects::pod_json(pod)?)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        targets: Targets,
    }

    fn names(line: &str) -> std::result::Result<Vec<String>, u8> {
        let line =
            Line::try_parse_from(format!("x {line}").split_whitespace()).map_err(|_| 2_u8)?;
        line.targets.check().map_err(|error| error.exit_code())?;
        line.targets.given().map_err(|error| error.exit_code())
    }

    #[test]
    fn names_are_given_in_each_form() {
        for line in ["a b", "pod a b", "pods a b", "pod/a pod/b", "po/a b"] {
            assert_eq!(names(line).as_deref(), Ok(&["a".to_owned(), "b".to_owned()][..]), "{line}");
        }
        assert_eq!(names("pod/default/web"), Ok(vec!["default/web".to_owned()]));
        for line in ["--all", "-l app=web", "pod --all", "-A -l a!=b", "--all -n x"] {
            assert_eq!(names(line), Ok(vec![]), "{line}");
        }
        for line in ["", "pod", "a --all", "a -l b=c", "--all -l a=b", "-A a", "event/a", "-l =="] {
            assert_eq!(names(line), Err(2), "{line}");
        }
    }

    #[test]
    fn few_of_many_pods_are_named() {
        let pods: Vec<_> =
            (0..7).map(|n| PodRef { namespace: "default".into(), name: format!("p{n}") }).collect();
        assert_eq!(waiting(&pods[..1], "to stop"), "waiting for pod/p0 to stop");
        assert_eq!(
            waiting(&pods, "to stop"),
            "waiting for pod/p0, pod/p1, pod/p2, pod/p3, pod/p4 and 2 more to stop"
        );
    }
}
