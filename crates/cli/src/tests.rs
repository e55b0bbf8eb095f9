//! Whole verbs against a fake of the daemon.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use clap::Parser;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_stream::{Stream, iter};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Connection, Io, Verb, run};
use probelet_api::pb::containers_server::ContainersServer;
use probelet_api::pb::events_server::{Events, EventsServer};
use probelet_api::pb::meta_server::{Meta, MetaServer};
use probelet_api::pb::pods_server::{Pods, PodsServer};
use probelet_api::{pb, structs};

mod probing;

/// The command line of a client.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

type Answer<T> = Result<Response<T>, Status>;
type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Clone, Default)]
struct Fake {
    pods: Arc<Mutex<BTreeMap<String, Value>>>,
}

fn pod(object: &Value) -> pb::Pod {
    pb::Pod {
        name: object["metadata"]["name"].as_str().unwrap().to_owned(),
        object: Some(structs::from_json(object.clone()).unwrap()),
        ..pb::Pod::default()
    }
}

fn event() -> pb::Event {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 5 });
    pb::Event {
        sequence: 26,
        r#type: "Warning".to_owned(),
        reason: "Unhealthy".to_owned(),
        message: "Liveness probe failed".to_owned(),
        namespace: "default".to_owned(),
        pod: "web".to_owned(),
        field_path: "spec.containers{web}".to_owned(),
        count: 2,
        first_timestamp: at(0),
        last_timestamp: at(10),
        ..pb::Event::default()
    }
}

#[tonic::async_trait]
impl Pods for Fake {
    async fn apply_pod(&self, _: Request<pb::ApplyPodRequest>) -> Answer<pb::ApplyPodResponse> {
        Err(Status::unimplemented("clients use apply_pods"))
    }

    async fn apply_pods(&self, r: Request<pb::ApplyPodsRequest>) -> Answer<pb::ApplyPodsResponse> {
        let mut results = Vec::new();
        for (index, object) in r.into_inner().objects.into_iter().enumerate() {
            let object = structs::to_json(object);
            let Some(name) = object.pointer("/metadata/name").and_then(Value::as_str) else {
                let mut details = ErrorDetails::new();
                let field = format!("objects[{index}].metadata.name");
                details.add_bad_request_violation(field, "Required value");
                return Err(Status::with_error_details(Code::InvalidArgument, "bad", details));
            };
            let old = self.pods.lock().unwrap().insert(name.to_owned(), object.clone());
            let (result, fields) = match old {
                None => ("created", vec![]),
                Some(old) if old == object => ("unchanged", vec![]),
                Some(_) => ("replaced", vec!["spec.hostname".to_owned()]),
            };
            results.push(pb::apply_pods_response::Result {
                name: name.to_owned(),
                result: result.to_owned(),
                replaced_fields: fields,
                ..Default::default()
            });
        }
        let warnings = vec!["objects[0].spec.hostPID: no effect here".to_owned()];
        Ok(Response::new(pb::ApplyPodsResponse { results, warnings }))
    }

    async fn validate_pod(
        &self,
        _: Request<pb::ValidatePodRequest>,
    ) -> Answer<pb::ValidatePodResponse> {
        Err(Status::unimplemented("clients validate without the daemon"))
    }

    async fn export_pod(&self, r: Request<pb::ExportPodRequest>) -> Answer<pb::ExportPodResponse> {
        let pods = self.pods.lock().unwrap();
        let object = pods.get(&r.into_inner().name).ok_or_else(|| Status::not_found("none"))?;
        let map = json!({"kind": "ConfigMap"});
        let objects = [map, object.clone()].map(|object| structs::from_json(object).unwrap());
        let notes = vec!["needs a secret".to_owned()];
        Ok(Response::new(pb::ExportPodResponse { objects: objects.to_vec(), notes }))
    }

    async fn get_pod(&self, r: Request<pb::GetPodRequest>) -> Answer<pb::Pod> {
        let name = r.into_inner().name;
        let pods = self.pods.lock().unwrap();
        let object = pods.get(&name);
        let missing = || Status::not_found(format!("pods {name:?} not found"));
        Ok(Response::new(pod(object.ok_or_else(missing)?)))
    }

    async fn list_pods(&self, _: Request<pb::ListPodsRequest>) -> Answer<pb::ListPodsResponse> {
        let pods = self.pods.lock().unwrap().values().map(pod).collect();
        Ok(Response::new(pb::ListPodsResponse { pods }))
    }

    type WatchPodsStream = Streaming<pb::Pod>;

    async fn watch_pods(&self, _: Request<pb::ListPodsRequest>) -> Answer<Self::WatchPodsStream> {
        let pods: Vec<Value> = self.pods.lock().unwrap().values().cloned().collect();
        let mut stream: Vec<_> = pods.iter().map(|p| Ok(pod(p))).collect();
        for mut object in pods {
            object["status"]["phase"] = json!("Failed");
            stream.push(Ok(pod(&object)));
            stream.push(Ok(pod(&object)));
            stream.push(Ok(pb::Pod { removed: true, object: None, ..pod(&object) }));
        }
        Ok(Response::new(Box::pin(iter(stream))))
    }

    /// All pods are ready, and none has been restarted.
    async fn wait_pod(&self, r: Request<pb::WaitPodRequest>) -> Answer<pb::WaitPodResponse> {
        match r.into_inner().condition {
            Some(pb::wait_pod_request::Condition::Ready(true)) => {
                Ok(Response::new(pb::WaitPodResponse::default()))
            }
            _ => Err(Status::deadline_exceeded("web: no restarts within 1s")),
        }
    }

    type PortForwardStream = Streaming<pb::PortForwardResponse>;

    async fn port_forward(
        &self,
        _: Request<tonic::Streaming<pb::PortForwardRequest>>,
    ) -> Answer<Self::PortForwardStream> {
        Err(Status::unimplemented("no verb of these tests calls this"))
    }

    async fn set_pod_condition(
        &self,
        r: Request<pb::SetPodConditionRequest>,
    ) -> Answer<pb::SetPodConditionResponse> {
        let request = r.into_inner();
        let wanted = ("example.com/a", "True", "R", "m");
        let is_as_wanted =
            (&*request.r#type, &*request.status, &*request.reason, &*request.message);
        assert_eq!(is_as_wanted, wanted);
        Ok(Response::new(pb::SetPodConditionResponse::default()))
    }

    async fn remove_pod(&self, r: Request<pb::RemovePodRequest>) -> Answer<pb::RemovePodResponse> {
        self.pods.lock().unwrap().remove(&r.into_inner().name);
        Ok(Response::new(pb::RemovePodResponse {}))
    }
}

#[tonic::async_trait]
impl Events for Fake {
    async fn list_events(
        &self,
        _: Request<pb::ListEventsRequest>,
    ) -> Answer<pb::ListEventsResponse> {
        Ok(Response::new(pb::ListEventsResponse { events: vec![event()], next: 0 }))
    }

    type WatchEventsStream = Streaming<pb::Event>;

    async fn watch_events(
        &self,
        r: Request<pb::WatchEventsRequest>,
    ) -> Answer<Self::WatchEventsStream> {
        let next = pb::Event { sequence: r.into_inner().after + 1, ..event() };
        Ok(Response::new(Box::pin(iter([Ok(next)]))))
    }
}

/// Does not know containerd's version, as when containerd is away.
struct FakeMeta;

#[tonic::async_trait]
impl Meta for FakeMeta {
    async fn get_version(
        &self,
        _: Request<pb::GetVersionRequest>,
    ) -> Answer<pb::GetVersionResponse> {
        Ok(Response::new(pb::GetVersionResponse {
            version: "1.2.4".to_owned(),
            commit: "abc".to_owned(),
            build_date: "2026-12-01".to_owned(),
            containerd_version: String::new(),
            kernel_version: "6.12.1".to_owned(),
        }))
    }

    async fn check_host(
        &self,
        _: Request<pb::CheckHostRequest>,
    ) -> Result<Response<pb::CheckHostResponse>, Status> {
        Err(Status::unimplemented("of an older version"))
    }
}

struct Daemon {
    socket: PathBuf,
    dir: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

fn daemon() -> Daemon {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let listener = UnixListenerStream::new(UnixListener::bind(&socket).unwrap());
    let fake = Fake::default();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        tonic::transport::Server::builder()
            .add_service(PodsServer::new(fake.clone()))
            .add_service(EventsServer::new(fake.clone()))
            .add_service(ContainersServer::new(fake))
            .add_service(MetaServer::new(FakeMeta))
            .serve_with_incoming(listener)
            .await
            .unwrap();
    });
    Daemon { socket, dir, _tasks: tasks }
}

/// Exit status, stdout, stderr.
async fn probelet(socket: &Path, args: &str) -> (u8, String, String) {
    let mut args_of_program = vec!["probelet", "--socket", socket.to_str().unwrap()];
    args_of_program.extend(args.split_whitespace());
    let cli = Cli::try_parse_from(args_of_program).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let result = run(&cli.connection, &cli.verb, "1.2.3", &mut Io::new(&mut out, &mut err)).await;
    let mut err = String::from_utf8(err).unwrap();
    let code = result.as_ref().map_or_else(super::Error::exit_code, |()| 0);
    for line in result.err().iter().flat_map(super::Error::lines) {
        err.push_str(&line);
        err.push('\n');
    }
    (code, String::from_utf8(out).unwrap(), err)
}

fn manifest(daemon: &Daemon, text: &str) -> String {
    let path = daemon.dir.path().join("m.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

const WEB: &str = "apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 5
  containers: [{name: web, image: i, ports: [{containerPort: 8080}]}]
status: {phase: Running}
";

#[tokio::test]
async fn nothing_is_applied_where_one_object_is_bad() {
    let daemon = daemon();
    let path = manifest(&daemon, &format!("kind: Pod\n---\n{WEB}"));
    let (code, out, err) = probelet(&daemon.socket, &format!("apply -f {path}")).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, format!("error: {path}:1:1: metadata.name: Required value\n"));
    manifest(&daemon, WEB);
    let (_, _, err) = probelet(&daemon.socket, &format!("apply -f {path}")).await;
    assert_eq!(err, format!("Warning: {path}:4:1: spec.hostPID: no effect here\n"));
}

#[tokio::test]
async fn a_condition_is_set() {
    let daemon = daemon();
    let set = "condition web example.com/a=True --reason R --message m";
    let line = "pod/web condition example.com/a is True\n";
    assert_eq!(probelet(&daemon.socket, set).await, (0, line.to_owned(), String::new()));
}

#[tokio::test]
async fn life_of_a_pod() {
    let daemon = daemon();
    let path = manifest(&daemon, WEB);
    let run = async |args: &str| probelet(&daemon.socket, args).await;
    assert_eq!(run("get pods").await, (0, String::new(), "No resources found.\n".to_owned()));
    assert_eq!(run(&format!("apply -f {path}")).await.1, "pod/web created\n");
    assert_eq!(run(&format!("apply -f {path}")).await.1, "pod/web unchanged\n");
    manifest(&daemon, &WEB.replace("image: i,", "image: i, livenessProbe: {grpc: {port: 1}},"));
    let replaced = "pod/web replaced (spec.hostname)\n";
    assert_eq!(run(&format!("apply -f {path}")).await.1, replaced);
    let exported = run("export web").await.1;
    assert!(exported.starts_with("# needs a secret\nkind: ConfigMap\n---\n"), "{exported}");

    let met = "pod/web condition met\n";
    assert_eq!(run("wait pod/web --for=condition=Ready").await.1, met);
    let late = "error: timed out waiting for the condition on pods/web\n\
                hint: `probelet describe pod web` says what it waits for\n";
    let waited = run("wait web --for restarts=1 --timeout 1s").await;
    assert_eq!((waited.0, waited.2.as_str()), (1, late));

    let table =
        "NAME   READY   STATUS    RESTARTS   AGE\nweb    0/1     Running   0          <unknown>\n";
    assert_eq!(run("get po").await.1, table);
    assert_eq!(run("get pod/web -o name").await.1, "pod/web\n");
    let one: Value = serde_json::from_str(&run("get pod web -o json").await.1).unwrap();
    assert_eq!(one["spec"]["containers"][0]["ports"][0]["containerPort"], json!(8080));
    let many: Value = serde_json::from_str(&run("get pods -o json").await.1).unwrap();
    assert_eq!((&many["kind"], &many["items"]), (&json!("List"), &json!([one])));
    let yaml: Value = serde_norway::from_str(&run("get pod web -o yaml").await.1).unwrap();
    assert_eq!(yaml, one);
    assert!(run("describe pod/web").await.1.starts_with("Name:         web\n"));

    // Equal rows are left out; for a removed pod its last row is printed.
    let failed = "web    0/1     Failed    0          <unknown>\n";
    assert_eq!(run("get pods -w").await.1, format!("{table}{failed}{failed}"));

    assert_eq!(run(&format!("delete -f {path}")).await.1, "pod \"web\" deleted\n");
    let missing = (1, String::new(), "error: pods \"web\" not found\n".to_owned());
    assert_eq!(run("delete pod web").await, missing);
    assert_eq!(run("get pod web").await, missing);
    assert_eq!(run("describe pod web").await, missing);
}

#[tokio::test]
async fn events() {
    let daemon = daemon();
    let (code, out, _) = probelet(&daemon.socket, "get events -w").await;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, lines.len()), (0, 3));
    assert!(lines[0].starts_with("LAST SEEN   TYPE      REASON      OBJECT    MESSAGE"), "{out}");
    assert!(
        lines[1].ends_with("   Warning   Unhealthy   pod/web   Liveness probe failed"),
        "{out}"
    );
    let (_, out, _) = probelet(&daemon.socket, "get ev web -o json").await;
    let list: Value = serde_json::from_str(&out).unwrap();
    let event = &list["items"][0];
    assert_eq!((&list["kind"], &event["kind"]), (&json!("List"), &json!("Event")));
    assert_eq!(event["metadata"]["name"], json!("web.1a"));
    assert_eq!(event["lastTimestamp"], json!("1970-01-01T00:00:10Z"));
    assert_eq!(event["involvedObject"]["fieldPath"], json!("spec.containers{web}"));
}

#[tokio::test]
async fn no_daemon_and_wrong_usage() {
    let socket = Path::new("/nonexistent/s");
    let (code, _, err) = probelet(socket, "get pods").await;
    assert_eq!(code, 1);
    assert!(
        err.starts_with("error: probelet is not running at /nonexistent/s: No such file"),
        "{err}"
    );
    assert_eq!(probelet(socket, "get services").await.0, 2);
    assert_eq!(probelet(socket, "describe pod").await.0, 2);
    assert_eq!(probelet(socket, "delete pod a --force --grace-period 3").await.0, 2);
    assert_eq!(probelet(socket, "delete pod a --force --grace-period 0").await.0, 1);
    let own = "Client Version: 1.2.3\n".to_owned();
    assert_eq!(probelet(socket, "version --client").await, (0, own.clone(), String::new()));
    let (code, out, err) = probelet(socket, "version").await;
    assert!((code, out) == (1, own) && err.contains("is not running"), "{err}");
}

#[tokio::test]
async fn version_prints_the_clients_the_daemons_and_what_it_runs_on() {
    let daemon = daemon();
    let all = "Client Version: 1.2.3\nServer Version: 1.2.4 (commit abc, built 2026-12-01)\n\
               containerd Version: <unknown>\nKernel Version: 6.12.1\n";
    assert_eq!(probelet(&daemon.socket, "version").await, (0, all.to_owned(), String::new()));
}

#[tokio::test]
async fn validate_needs_no_daemon() {
    let daemon = daemon();
    let socket = Path::new("/nonexistent/s");
    let path = manifest(&daemon, WEB);
    let advice = format!(
        "{path}:6:16: advice: no-liveness-probe: spec.containers[0]: nothing notices when it hangs \
         without exiting: give it a livenessProbe that asks the process itself\n"
    );
    let warning = format!("{path}:7:1: warning: status: ignored: made by the server\n");
    let sum = "1 object(s): 0 error(s), 1 warning(s), 1 piece(s) of advice\n";
    let lines = format!("{advice}{warning}{sum}");
    let (code, out, err) = probelet(socket, &format!("validate -f {path}")).await;
    assert_eq!((code, out, err.as_str()), (0, lines.clone(), ""));
    let (code, out, _) = probelet(socket, &format!("validate --strict -f {path}")).await;
    assert_eq!((code, out), (1, lines));

    manifest(&daemon, &WEB.replace("image: i", "imag: i"));
    let (code, out, _) = probelet(socket, &format!("validate -f {path}")).await;
    let error = format!(
        "{path}:6:28: error: spec.containers[0].imag: unknown field: did you mean \"image\"?\n"
    );
    assert!(code == 1 && out.starts_with(&error), "{out}");
    manifest(&daemon, "a: 1\nb: [\n");
    let (code, out, _) = probelet(socket, &format!("validate -f {path}")).await;
    assert!(code == 1 && out.starts_with(&format!("{path}:3:1: error: ")), "{out}");
}
