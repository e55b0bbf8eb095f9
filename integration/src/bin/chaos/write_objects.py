"""Writes objects through the Kubernetes API, or lists them.

  write_objects.py write ADDRESS AUTHORITY TOKEN LANE NUMBER
  write_objects.py list ADDRESS AUTHORITY TOKEN

A lane has one object of each kind and sends one request after the other. It prints each request before it
is sent, and the code of each answer. Each write has a number, which is in several parts of the object. It
ends when the daemon does not answer.
"""

import base64
import http.client
import json
import random
import ssl
import sys

MODE, ADDRESS, AUTHORITY, TOKEN = sys.argv[1:5]
CORE, APPS = "/api/v1/namespaces/default/", "/apis/apps/v1/namespaces/default/"
KINDS = {"configmaps": CORE, "secrets": CORE, "deployments": APPS}
OPERATIONS = ["create", "replace", "merge", "apply", "delete"]
PAD = 500


def content(kind, name, number):
    text = str(number)
    metadata = {"name": name, "labels": {"chaos": "objects"}, "annotations": {"a": text}}
    if kind == "configmaps":
        data = {"b": text, "pad": " ".join([text] * PAD)}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    if kind == "secrets":
        data = {key: base64.b64encode(text.encode()).decode() for key in "bc"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    # Without a replica it has no pod, so the containers of the run are left alone.
    labels = {"app": name}
    container = {"name": "main", "image": "none.invalid/none", "env": [{"name": "b", "value": text}]}
    template = {"metadata": {"labels": labels, "annotations": {"c": text}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


class Api:
    def __init__(self):
        context = ssl.create_default_context(cafile=AUTHORITY)
        host, port = ADDRESS.rsplit(":", 1)
        self.connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=context)

    def send(self, method, path, body=None, media="application/json"):
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": media}
        self.connection.request(method, path, body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def write(self, kind, name, operation, number):
        path, body = KINDS[kind] + kind, content(kind, name, number)
        one = f"{path}/{name}"
        if operation == "create":
            return self.send("POST", path, body)
        if operation == "replace":
            return self.send("PUT", one, body)
        if operation == "merge":
            return self.send("PATCH", one, body, "application/merge-patch+json")
        if operation == "apply":
            query = "?fieldManager=chaos&force=true"
            return self.send("PATCH", one + query, body, "application/apply-patch+yaml")
        return self.send("DELETE", one)


def write(api, lane, first):
    draw = random.Random(first)
    for number in range(first, first + 50_000):
        kind, operation = draw.choice(list(KINDS)), draw.choice(OPERATIONS)
        name = f"lane{lane}"
        print("send", f"{kind}/{name}", operation, number, flush=True)
        try:
            code, _ = api.write(kind, name, operation, number)
        except (OSError, http.client.HTTPException):
            return
        print("done", f"{kind}/{name}", code, flush=True)


def listed(api):
    found = {}
    for kind, path in KINDS.items():
        code, body = api.send("GET", f"{path}{kind}?labelSelector=chaos%3Dobjects")
        if code != 200:
            sys.exit(f"{kind}: {code} {body}")
        for item in json.loads(body)["items"]:
            name = item["metadata"]["name"]
            number = item["metadata"]["annotations"]["a"]
            wanted = content(kind, name, number)
            parts = [part for part in ("data", "spec") if part in wanted]
            is_whole = all(has(item[part], wanted[part]) for part in parts)
            found[f"{kind}/{name}"] = number if is_whole else "torn " + json.dumps(item)
    return found


def has(item, wanted):
    """Whether an object has all that is wanted, besides what the daemon adds."""
    if isinstance(wanted, dict):
        return isinstance(item, dict) and all(key in item and has(item[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(item, list) and len(item) == len(wanted) and all(map(has, item, wanted))
    return item == wanted


if MODE == "write":
    write(Api(), sys.argv[5], int(sys.argv[6]))
else:
    print(json.dumps(listed(Api())))
