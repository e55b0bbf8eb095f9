"""Kubernetes' client for Python against one daemon. A line `crash` on stdout asks the test to kill the
daemon and to start it again; the test answers with a line."""

import collections
import logging
import sys
import time

import yaml
from kubernetes import client, config, dynamic, informer, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

IMAGE = sys.argv[1]
NAMESPACE = "default"


def crash():
    print("crash", flush=True)
    sys.stdin.readline()


def until(what, check):
    for _ in range(600):
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def refused(code, call, *args, **more):
    try:
        call(*args, **more)
    except ApiException as error:
        assert error.status == code, error
        return error.body
    raise AssertionError(f"no error {code}")


def refused_upgrade(text, call, *args, **more):
    """The client has the answer to an upgrade only as the text of its error."""
    try:
        call(*args, **more)
    except ApiException as error:
        assert text in str(error), error
        return
    raise AssertionError(f"no error {text}")


def typed(core, apps):
    body = {"metadata": {"name": "typed"}, "data": {"a": "1"}}
    made = core.create_namespaced_config_map(NAMESPACE, body)
    assert made.metadata.uid and made.metadata.resource_version.isdigit(), made
    assert "already exists" in refused(409, core.create_namespaced_config_map, NAMESPACE, body)
    core.patch_namespaced_config_map("typed", NAMESPACE, {"data": {"b": "2"}})
    found = core.read_namespaced_config_map("typed", NAMESPACE)
    assert found.data == {"a": "1", "b": "2"}, found
    # The first object has an older version.
    refused(409, core.replace_namespaced_config_map, "typed", NAMESPACE, made)
    found.data = {"c": "3"}
    core.replace_namespaced_config_map("typed", NAMESPACE, found)
    listed = core.list_namespaced_config_map(NAMESPACE, field_selector="metadata.name=typed").items
    assert [item.data for item in listed] == [{"c": "3"}], listed
    core.delete_namespaced_config_map("typed", NAMESPACE)
    assert "not found" in refused(404, core.read_namespaced_config_map, "typed", NAMESPACE)
    bad = {"metadata": {"name": "Bad"}, "spec": {"containers": [{"name": "a", "image": IMAGE}]}}
    assert "metadata.name" in refused(422, core.create_namespaced_pod, NAMESPACE, bad)
    assert client.VersionApi().get_code().major == "1"
    assert core.list_node().items[0].status.node_info.kubelet_version
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": NAMESPACE}}}
    review = client.AuthorizationV1Api().create_self_subject_access_review(review)
    assert review.status.allowed, review
    assert apps.list_deployment_for_all_namespaces().items == []


def pod(name, *command):
    container = {"name": "main", "image": IMAGE, "command": list(command)}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def pods(core):
    """A watch without a version begins with the objects that exist, then shows the pod becoming ready."""
    core.create_namespaced_pod(NAMESPACE, pod("box", "sh", "-c", "i=0; while sleep 0.1; do echo line $((i+=1)); done"))
    phases = []
    events = watch.Watch()
    for event in events.stream(core.list_namespaced_pod, NAMESPACE, field_selector="metadata.name=box",
                               timeout_seconds=60):
        phases.append((event["type"], event["object"].status.phase))
        if any(of.type == "Ready" and of.status == "True" for of in event["object"].status.conditions or []):
            events.stop()
    assert phases[0][0] == "ADDED" and phases[-1] == ("MODIFIED", "Running"), phases
    logs = until("a line", lambda: core.read_namespaced_pod_log("box", NAMESPACE, tail_lines=1))
    assert logs.startswith("line ") and logs.count("\n") == 1, logs
    lines = watch.Watch().stream(core.read_namespaced_pod_log, "box", NAMESPACE)
    assert [next(lines) for _ in range(5)] == [f"line {n}" for n in range(1, 6)]
    events = core.list_namespaced_event(NAMESPACE, field_selector="involvedObject.name=box").items
    assert "Started" in [event.reason for event in events], events


def commands(core):
    def run(*command, **more):
        return stream(core.connect_get_namespaced_pod_exec, "box", NAMESPACE, command=list(command), stderr=True,
                      stdout=True, tty=False, stdin=more.pop("stdin", False), **more)

    assert run("echo", "hello") == "hello\n"
    session = run("sh", "-c", "read line; echo got $line; echo wrong >&2; exit 3", stdin=True, _preload_content=False)
    session.write_stdin("words\n")
    session.run_forever(timeout=30)
    assert session.read_stdout() == "got words\n" and session.read_stderr() == "wrong\n"
    assert session.returncode == 3, session.returncode
    session = run("true", _preload_content=False)
    session.run_forever(timeout=30)
    assert session.returncode == 0, session.returncode
    refused_upgrade("404", stream, core.connect_get_namespaced_pod_exec, "absent", NAMESPACE, command=["true"], stdout=True)


def forward(core, name, port):
    for _ in range(3):
        forwarded = portforward(core.connect_get_namespaced_pod_portforward, name, NAMESPACE, ports=str(port))
        socket = forwarded.socket(port)
        socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := socket.recv(4096):
            answer += part
        assert answer.startswith(b"HTTP/1.1 ") and forwarded.error(port) is None, (answer, forwarded.error(port))
    refused_port = portforward(core.connect_get_namespaced_pod_portforward, name, NAMESPACE, ports="1")
    assert refused_port.socket(1).recv(1) == b""
    assert "refused" in until("an error", lambda: refused_port.error(1)).lower()


def follow(core):
    """An informer of the ConfigMaps with a label, and the numbers of its events by type and name."""
    follower = informer.SharedInformer(core.list_namespaced_config_map, NAMESPACE, label_selector="informer=py")
    counts = collections.Counter()
    for kind in (informer.ADDED, informer.DELETED):
        follower.add_event_handler(kind, lambda item, kind=kind: counts.update([(kind, item.metadata.name)]))
    follower.add_event_handler(informer.ERROR, lambda error: counts.update([str(getattr(error, "status", None))]))
    follower.start()
    return follower, counts


def informers(core):
    def create(name):
        metadata = {"name": name, "labels": {"informer": "py"}}
        core.create_namespaced_config_map(NAMESPACE, {"metadata": metadata, "data": {"value": "1"}})

    for name in ("kept", "changed", "early", "late"):
        create(name)
    follower, counts = follow(core)
    copy = lambda: {item.metadata.name: item.data["value"] for item in follower.cache.list()}
    until("the first list", lambda: len(copy()) == 4)
    core.delete_namespaced_config_map("early", NAMESPACE)
    create("before")
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    crash()
    # A version of the earlier daemon.
    old = watch.Watch().stream(core.list_namespaced_config_map, NAMESPACE, resource_version=version, timeout_seconds=5)
    refused(410, lambda: list(old))
    core.delete_namespaced_config_map("late", NAMESPACE)
    core.patch_namespaced_config_map("changed", NAMESPACE, {"data": {"value": "2"}})
    create("after")
    wanted = {"kept": "1", "changed": "2", "before": "1", "after": "1"}
    until(f"the copy is {wanted}", lambda: copy() == wanted)
    assert counts.pop("410") >= 1, counts
    counts.pop("None", None)
    names = ["after", "before", "changed", "early", "kept", "late"]
    expected = [(informer.ADDED, name) for name in names] + [(informer.DELETED, name) for name in ("early", "late")]
    assert counts == collections.Counter(expected), counts
    follower.stop()


MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: { name: files }
---
apiVersion: v1
kind: Secret
metadata: { name: key, namespace: files }
stringData: { a: b }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: files }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: main, image: IMAGE, command: [sleep, "1000"] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: once, namespace: files }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: main, image: IMAGE, command: ["true"] }]
"""


def files(api, core, apps):
    documents = list(yaml.safe_load_all(MANIFEST.replace("IMAGE", IMAGE)))
    utils.create_from_yaml(api, yaml_objects=documents)
    until("the Deployment is available",
          lambda: apps.read_namespaced_deployment_status("web", "files").status.available_replicas == 1)
    until("the Job is complete",
          lambda: client.BatchV1Api().read_namespaced_job_status("once", "files").status.succeeded == 1)
    try:
        utils.create_from_yaml(api, yaml_objects=documents[1:2])
        raise AssertionError("it was created twice")
    except utils.FailToCreateError as error:
        assert "AlreadyExists" in str(error), error
    scale = apps.patch_namespaced_deployment_scale("web", "files", {"spec": {"replicas": 0}})
    assert scale.spec.replicas == 0, scale
    until("the pod is deleted", lambda: not core.list_namespaced_pod("files", label_selector="app=web").items)
    core.delete_namespace("files")
    until("the namespace is deleted", lambda: "files" not in [of.metadata.name for of in core.list_namespace().items])


def dynamic_client(api):
    resources = dynamic.DynamicClient(api).resources
    maps = resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dynamic"}, "data": {"a": "1"}}
    made = maps.create(body=body, namespace=NAMESPACE)
    assert maps.get(name="dynamic", namespace=NAMESPACE).data.a == "1"
    applied = body | {"data": {"a": "2"}}
    maps.server_side_apply(body=applied, namespace=NAMESPACE, name="dynamic", field_manager="py", force_conflicts=True)
    merge = "application/merge-patch+json"
    maps.patch(body={"data": {"b": "3"}}, name="dynamic", namespace=NAMESPACE, content_type=merge)
    seen = []
    for event in maps.watch(namespace=NAMESPACE, name="dynamic", resource_version=made.metadata.resourceVersion,
                            timeout=30):
        seen.append((event["type"], event["object"].data.to_dict()))
        if event["type"] == "DELETED":
            break
        if seen[-1][1] == {"a": "2", "b": "3"}:
            maps.delete(name="dynamic", namespace=NAMESPACE)
    assert seen[-1] == ("DELETED", {"a": "2", "b": "3"}), seen
    assert resources.get(api_version="apps/v1", kind="Deployment").namespaced
    usage = client.CustomObjectsApi().list_namespaced_custom_object("metrics.k8s.io", "v1beta1", NAMESPACE, "pods")
    assert usage["kind"] == "PodMetricsList", usage


def main():
    # While the daemon is away, the informer logs each of its tries.
    logging.disable()
    config.load_kube_config()
    api, core, apps = client.ApiClient(), client.CoreV1Api(), client.AppsV1Api()
    typed(core, apps)
    pods(core)
    commands(core)
    forward(core, "web", 8080)
    dynamic_client(api)
    files(api, core, apps)
    informers(core)
    refused(404, core.read_namespaced_pod, "absent", NAMESPACE)
    core.delete_namespaced_pod("box", NAMESPACE)
    until("the pod is deleted", lambda: "box" not in [of.metadata.name for of in core.list_namespaced_pod(NAMESPACE).items])
    print("done", flush=True)


main()
