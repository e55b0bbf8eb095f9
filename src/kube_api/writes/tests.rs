//! The pipeline, with a kind in memory and the bodies that clients send.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::Full;
use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::path::{Method, Request, ResourceRequest};
use probelet_kube_wire::query::Query;
use probelet_kube_wire::status::{Status, deleted};
use serde_json::{Value, json};

use super::*;
use crate::kube_api::identity::Identity;
use crate::kube_api::tests::Users;
use crate::kube_authority::Role;
use crate::kube_objects::Store;

const JSON: &str = "application/json";
const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},
    "spec":{"containers":[{"name":"app","image":"a"}]}}"#;

/// Pods in memory, whose versions are numbers. Their default is a restart policy.
struct Memory {
    objects: Mutex<BTreeMap<Key, Live>>,
    store: Option<Store>,
}

impl Memory {
    fn put(&self, mut object: Value, applied: Applied, dry_run: bool) -> Arc<Value> {
        let mut objects = self.objects.lock().unwrap();
        let key = Key::of(&object).unwrap();
        let before = objects.get(&key).map(|live| live.object.clone());
        if before.as_deref() != Some(&object) && !dry_run {
            let version = before.map_or(0, |it| version(&it)) + 1;
            object["metadata"]["resourceVersion"] = json!(version.to_string());
        }
        let object = Arc::new(object);
        if !dry_run {
            let store = self.store.as_ref().unwrap();
            store.publish(stored(), Value::clone(&object), 1).unwrap();
            objects.insert(key, Live { object: object.clone(), applied });
        }
        object
    }
}

impl Memory {
    /// Another writer is faster as often as the annotation `others` says.
    fn is_overtaken(&self, live: &Live) -> bool {
        let mut object = Value::clone(&live.object);
        let left = object.pointer("/metadata/annotations/others").and_then(Value::as_str);
        let left = left.map_or(0, |text| text.parse::<u64>().unwrap());
        if left > 0 {
            object["metadata"]["annotations"]["others"] = json!((left - 1).to_string());
            self.put(object, live.applied.clone(), false);
        }
        left > 0
    }
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap_or("0").parse().unwrap()
}

#[async_trait]
impl Kind for Memory {
    fn default(&self, object: &mut Value) {
        if object["spec"]["restartPolicy"].is_null() {
            object["spec"]["restartPolicy"] = json!("Always");
        }
    }

    async fn live(&self, key: &Key) -> Result<Option<Live>, Status> {
        Ok(self.objects.lock().unwrap().get(key).cloned())
    }

    fn check_new(&self, object: &Value) -> Result<(), Status> {
        match object["spec"]["containers"].as_array().is_some_and(|list| !list.is_empty()) {
            true => Ok(()),
            false => Err(Status::unprocessable("no containers")),
        }
    }

    async fn create(&self, change: Change<'_>) -> Result<Outcome, Status> {
        let object = self.put(change.object, change.applied, change.dry_run);
        Ok(Outcome { object, warnings: vec!["say \"so\"".into()] })
    }

    async fn update(&self, live: &Live, change: Change<'_>) -> Result<Outcome, Status> {
        if self.is_overtaken(live) {
            let pods = probelet_kube_wire::status::GroupResource::new("", "pods");
            return Err(Status::modified(&pods, "web"));
        }
        let object = self.put(change.object, change.applied, change.dry_run);
        Ok(Outcome { object, warnings: Vec::new() })
    }

    async fn delete(&self, live: &Live, deletion: Deletion<'_>) -> Result<Arc<Value>, Status> {
        if !deletion.options.dry_run {
            self.objects.lock().unwrap().remove(&Key::of(&live.object).unwrap());
        }
        Ok(live.object.clone())
    }

    async fn create_subresource(
        &self,
        live: &Live,
        subresource: &str,
        _: &Value,
        _: &Identity,
    ) -> Result<Value, Status> {
        let resource = probelet_kube_wire::status::GroupResource::new("", "pods");
        let _ = live;
        Ok(deleted(&resource, subresource, ""))
    }
}

fn served() -> &'static Served {
    Catalog::default().find("", "v1", "pods").unwrap()
}

fn stored() -> Stored {
    Stored::of(served())
}

struct Api {
    writes: Writes,
    user: Identity,
    _users: Users,
}

impl Api {
    fn new() -> Self {
        let users = Users::new();
        let user = users.identity("ann", Role::Admin);
        let store = Store::new(1);
        let namespaces = Stored::of(Catalog::default().find("", "v1", "namespaces").unwrap());
        store.publish(namespaces, json!({"metadata": {"name": "default"}}), 1).unwrap();
        let memory = Memory { store: Some(store.clone()), objects: Mutex::default() };
        let kinds: Vec<(Stored, Arc<dyn Kind>)> = vec![(stored(), Arc::new(memory))];
        Self { writes: Writes::new(kinds, store), user, _users: users }
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<(u16, Value, Vec<String>), Status> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = Query::parse(query).unwrap();
        let path = format!("/api/v1/namespaces/default/pods{path}");
        let method = Method::parse(method).unwrap();
        let Request::Resource(request) = Request::parse(method, &path, &query).unwrap() else {
            panic!("{target}")
        };
        self.write(&request, &query, content_type, body.into()).await
    }

    async fn write(
        &self,
        request: &ResourceRequest,
        query: &Query,
        content_type: &str,
        body: Bytes,
    ) -> Result<(u16, Value, Vec<String>), Status> {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert("content-type", HeaderValue::from_str(content_type).unwrap());
        }
        let (headers, by) = (&headers, &self.user);
        let write = Write { request, served: served(), query, headers, by };
        let written = self.writes.answer(&write, Full::new(body)).await?;
        let object = written.object.map(|object| Value::clone(&object)).unwrap_or_else(|it| it);
        Ok((written.code.as_u16(), object, written.warnings))
    }

    /// The code and text of a refusal.
    async fn refused(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &str,
    ) -> (u16, String) {
        let status = self.send(method, target, content_type, body.to_owned()).await.unwrap_err();
        (status.code(), status.message().to_owned())
    }
}

#[tokio::test]
async fn an_object_is_created_with_defaults_and_what_the_server_sets() {
    let api = Api::new();
    // Python sends no content type, and nulls.
    let body = POD.replace("\"spec\"", "\"status\":{\"phase\":\"x\"},\"spec\"");
    let (code, pod, warnings) = api.send("POST", "?dryRun=All", "", body.clone()).await.unwrap();
    assert_eq!((code, warnings.len()), (201, 1));
    assert_eq!(pod["spec"]["restartPolicy"], "Always");
    assert_eq!(pod["metadata"]["namespace"], "default");
    assert_eq!(pod["metadata"]["generation"], 1);
    assert_eq!(pod["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert!(pod["status"].is_null());
    // Nothing was stored.
    assert_eq!(api.send("POST", "", JSON, body).await.unwrap().0, 201);
    let again = api.refused("POST", "", JSON, POD).await;
    assert_eq!(again, (409, "pods \"web\" already exists".into()));
    // As in Kubernetes, an object that is not valid is that whether its name is used or not.
    let invalid = POD.replace(r#"{"name":"app","image":"a"}"#, "");
    assert_eq!(api.refused("POST", "", JSON, &invalid).await.0, 422);
    let yaml = "metadata: {generateName: web-}\nspec: {containers: [{name: a, image: a}]}\n";
    let (_, named, _) = api.send("POST", "", "application/yaml", yaml).await.unwrap();
    let name = named["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    assert_eq!(named["metadata"]["generateName"], "web-");
}

#[tokio::test]
async fn a_body_must_fit_the_type_and_the_url() {
    let api = Api::new();
    api.send("POST", "", JSON, POD).await.unwrap();
    let rows = [
        ("POST", "", JSON, "{", 400, "the body is not valid"),
        ("POST", "", "text/plain", POD, 415, "unknown format"),
        ("POST", "", JSON, "[]", 400, "not an object"),
        ("POST", "", JSON, "{}", 422, "name or generateName is required"),
        ("POST", "", JSON, r#"{"kind":"Job"}"#, 400, "must be of type Pod"),
        ("POST", "", JSON, r#"{"metadata":{"name":3}}"#, 400, "metadata.name: must be a text"),
        (
            "POST",
            "",
            JSON,
            r#"{"metadata":{"name":"a","namespace":"b"}}"#,
            400,
            "the namespace of the provided object does not match the namespace sent",
        ),
        ("POST", "", JSON, r#"{"metadata":{"name":"a","resourceVersion":"1"}}"#, 400, "not be set"),
        ("POST", "?dryRun=some", JSON, POD, 422, "dryRun"),
        ("PUT", "/web", JSON, r#"{"metadata":{"name":"a"}}"#, 400, "(a) does not match"),
        ("PUT", "/web", JSON, "{}", 400, "was undeterminable"),
        ("PUT", "/none", JSON, r#"{"metadata":{"name":"none"}}"#, 404, "pods \"none\" not found"),
        ("PATCH", "/web", JSON, "{}", 415, "unknown format"),
        ("PATCH", "/none", "application/merge-patch+json", "{}", 404, "not found"),
        ("DELETE", "/none", "", "", 404, "not found"),
        (
            "DELETE",
            "/web",
            JSON,
            r#"{"preconditions":{"uid":"x"}}"#,
            409,
            "Precondition failed: UID",
        ),
        ("DELETE", "/web", JSON, r#"{"propagationPolicy":"x"}"#, 422, "Unsupported value"),
    ];
    for (method, target, content_type, body, code, text) in rows {
        let (found, message) = api.refused(method, target, content_type, body).await;
        assert_eq!(found, code, "{method} {target} {body}: {message}");
        assert!(message.contains(text), "{method} {target} {body}: {message}");
    }
    let large = vec![b' '; 4 << 20];
    assert_eq!(api.send("POST", "", JSON, large).await.unwrap_err().code(), 413);
}

#[tokio::test]
async fn unknown_and_duplicate_fields_are_refused_or_named() {
    let api = Api::new();
    let body = r#"{"metadata":{"name":"a"},"spec":{"containers":[{"livenessProb":{}}],
        "hostNetwork":true,"hostNetwork":false}}"#;
    let strict = api.refused("POST", "?fieldValidation=Strict", JSON, body).await;
    let text = "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: duplicate \
                field \"spec.hostNetwork\", unknown field \"spec.containers[0].livenessProb\"";
    assert_eq!(strict, (400, text.to_owned()));
    let (_, pod, warnings) = api.send("POST", "?dryRun=All", JSON, body).await.unwrap();
    assert_eq!(pod["spec"]["containers"], json!([{}]));
    assert_eq!(warnings[0], "duplicate field \"spec.hostNetwork\"");
    assert_eq!(warnings.len(), 3);
    let ignored = api.send("POST", "?fieldValidation=Ignore", JSON, body).await.unwrap();
    assert_eq!(ignored.2.len(), 1);
    let patch = r#"{"spec":{"foo":1}}"#;
    let merge = "application/merge-patch+json";
    let (code, _) = api.refused("PATCH", "/a?fieldValidation=Strict", merge, patch).await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn an_update_replaces_the_version_that_it_names() {
    let api = Api::new();
    let (_, mut pod, _) = api.send("POST", "", JSON, POD).await.unwrap();
    let old = pod.to_string();
    pod["metadata"]["labels"] = json!({"a": "b"});
    pod["metadata"]["creationTimestamp"] = json!("1999-01-01T00:00:00Z");
    pod["status"] = json!({"phase": "x"});
    let (code, new, _) = api.send("PUT", "/web", JSON, pod.to_string()).await.unwrap();
    assert_eq!((code, &new["metadata"]["labels"]), (200, &json!({"a": "b"})));
    assert_ne!(new["metadata"]["creationTimestamp"], "1999-01-01T00:00:00Z");
    assert!(new["status"].is_null());
    let (code, text) = api.refused("PUT", "/web", JSON, &old).await;
    assert_eq!(code, 409);
    assert!(text.ends_with("please apply your changes to the latest version and try again"));
    // Without a version it replaces any.
    assert_eq!(api.send("PUT", "/web", JSON, POD).await.unwrap().0, 200);
    let other = POD.replace("\"name\":\"web\"", "\"name\":\"web\",\"uid\":\"x\"");
    assert_eq!(api.refused("PUT", "/web", JSON, &other).await.0, 409);
}

#[tokio::test]
async fn the_four_patches_change_the_live_object() {
    let api = Api::new();
    api.send("POST", "", JSON, POD).await.unwrap();
    let rows = [
        ("application/merge-patch+json", r#"{"metadata":{"labels":{"a":"1"}}}"#),
        (
            "application/json-patch+json",
            r#"[{"op":"replace","path":"/metadata/labels/a","value":"2"}]"#,
        ),
        (
            "application/strategic-merge-patch+json",
            r#"{"spec":{"containers":[{"name":"app","image":"b"}]}}"#,
        ),
    ];
    for (content_type, body) in rows {
        assert_eq!(api.send("PATCH", "/web", content_type, body).await.unwrap().0, 200, "{body}");
    }
    let merge = "application/merge-patch+json";
    let (_, pod, _) = api.send("PATCH", "/web?dryRun=All", merge, "{}").await.unwrap();
    assert_eq!(pod["metadata"]["labels"], json!({"a": "2"}));
    assert_eq!(pod["spec"]["containers"], json!([{"name": "app", "image": "b"}]));
    let version = pod["metadata"]["resourceVersion"].as_str().unwrap();
    let stale = r#"{"metadata":{"resourceVersion":"1","labels":{"a":"3"}}}"#;
    assert_eq!(api.refused("PATCH", "/web", merge, stale).await.0, 409);
    let fresh = stale.replace("\"1\"", &format!("{version:?}"));
    assert_eq!(api.send("PATCH", "/web", merge, fresh).await.unwrap().0, 200);
    let renamed = r#"{"metadata":{"name":"x"}}"#;
    assert_eq!(api.refused("PATCH", "/web", merge, renamed).await.0, 400);
    // Only the subresource changes, and with it labels and annotations.
    let status = r#"{"metadata":{"labels":{"a":"9"},"ownerReferences":[{"uid":"u"}]},
        "spec":{"nodeName":"n"},"status":{"phase":"Running"}}"#;
    let (_, pod, _) = api.send("PATCH", "/web/status", merge, status).await.unwrap();
    assert_eq!(
        (&pod["status"]["phase"], &pod["metadata"]["labels"]["a"]),
        (&json!("Running"), &json!("9"))
    );
    assert!(pod["spec"]["nodeName"].is_null() && pod["metadata"]["ownerReferences"].is_null());
}

#[tokio::test]
async fn a_patch_without_a_version_is_tried_again() {
    let merge = "application/merge-patch+json";
    let patch = r#"{"metadata":{"labels":{"a":"1"}}}"#;
    for (others, expected) in [(4, Ok(200)), (5, Err(409))] {
        let api = Api::new();
        let mut pod: Value = serde_json::from_str(POD).unwrap();
        pod["metadata"]["annotations"] = json!({"others": others.to_string()});
        api.send("POST", "", JSON, pod.to_string()).await.unwrap();
        let done = api.send("PATCH", "/web", merge, patch).await;
        let code = done.as_ref().map(|done| done.0).map_err(Status::code);
        assert_eq!(code, expected, "{others}");
        if let Ok((_, pod, _)) = done {
            // What the others wrote is kept.
            let metadata = &pod["metadata"];
            assert_eq!(
                (&metadata["labels"]["a"], &metadata["annotations"]["others"]),
                (&json!("1"), &json!("0"))
            );
        }
    }
    let api = Api::new();
    let pod = POD.replace(r#""name":"web""#, r#""name":"web","annotations":{"others":"1"}"#);
    api.send("POST", "", JSON, pod).await.unwrap();
    let named = r#"{"metadata":{"resourceVersion":"1","labels":{"a":"1"}}}"#;
    assert_eq!(api.refused("PATCH", "/web", merge, named).await.0, 409);
}

#[tokio::test]
async fn managers_apply_their_fields() {
    let api = Api::new();
    let apply = "application/apply-patch+yaml";
    let config = |image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n  - name: app\n    image: {image}\n"
        )
    };
    assert_eq!(api.refused("PATCH", "/web", apply, &config("a")).await.0, 422, "no manager");
    let as_ann = "/web?fieldManager=ann";
    let (code, pod, _) = api.send("PATCH", as_ann, apply, config("a")).await.unwrap();
    assert_eq!((code, &pod["metadata"]["namespace"]), (201, &json!("default")));
    assert_eq!(api.send("PATCH", as_ann, apply, config("a")).await.unwrap().0, 200);
    let status = api.send("PATCH", "/web?fieldManager=bob", apply, config("b")).await.unwrap_err();
    assert_eq!(status.code(), 409);
    let cause = &status.to_value()["details"]["causes"][0];
    assert_eq!(cause["reason"], "FieldManagerConflict");
    assert_eq!(cause["field"], ".spec.containers[name=\"app\"].image");
    let forced = "/web?fieldManager=bob&force=true";
    let (_, pod, _) = api.send("PATCH", forced, apply, config("b")).await.unwrap();
    assert_eq!(pod["spec"]["containers"][0]["image"], "b");
    let managed = r#"{"metadata":{"name":"web","managedFields":[]}}"#;
    assert_eq!(api.refused("PATCH", as_ann, apply, managed).await.0, 400);
    assert_eq!(
        api.refused("PATCH", "/no/status?fieldManager=a", apply, &config("a").replace("web", "no"))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn one_object_or_the_selected_ones_are_deleted() {
    let api = Api::new();
    for (name, label) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let pod = json!({"metadata": {"name": name, "labels": {"l": label}}});
        api.send("POST", "", JSON, pod.to_string()).await.unwrap();
    }
    let body = r#"{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}"#;
    assert_eq!(api.send("DELETE", "/a?dryRun=All", "", "").await.unwrap().0, 200);
    let (code, pod, _) = api.send("DELETE", "/a", JSON, body).await.unwrap();
    assert_eq!((code, &pod["metadata"]["name"]), (200, &json!("a")));
    let (_, list, _) = api.send("DELETE", "?labelSelector=l%3Dx", "", "").await.unwrap();
    assert_eq!(list["kind"], "PodList");
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(api.refused("DELETE", "/b", "", "").await.0, 404);
    assert_eq!(api.send("POST", "/c/eviction", JSON, "{}").await.unwrap().0, 201);
}
