use super::*;
use crate::negotiate::DiscoveryVersion;
use crate::path::{Method, Request, Verb};
use crate::query::Query;

fn allow(method: &str, target: &str) -> Result<&'static str, (u16, String)> {
    let query = Query::parse(target.split_once('?').map_or("", |(_, query)| query)).unwrap();
    let path = target.split('?').next().unwrap();
    let request = Request::parse(Method::parse(method).unwrap(), path, &query).unwrap();
    let Request::Resource(request) = request else { panic!("{target}") };
    let row = Catalog::default().allow(&request);
    row.map(|row| row.kind).map_err(|status| (status.code(), status.to_string()))
}

#[test]
fn only_what_is_in_the_table_is_allowed() {
    let absent = || Err((404, "the server could not find the requested resource".to_owned()));
    let rows = [
        ("GET", "/api/v1/pods", Ok("Pod")),
        ("GET", "/api/v1/namespaces/a/pods?watch=1", Ok("Pod")),
        ("GET", "/api/v1/namespaces/a/pods/web", Ok("Pod")),
        ("GET", "/api/v1/namespaces/a/pods/web/exec", Ok("Pod")),
        ("POST", "/api/v1/namespaces/a/pods/web/exec", Ok("Pod")),
        ("GET", "/apis/events.k8s.io/v1/events", Ok("Event")),
        ("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/a/pods", Ok("PodMetrics")),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            Ok("SelfSubjectAccessReview"),
        ),
        ("GET", "/api/v1/pods/web", absent()),
        ("GET", "/api/v1/namespaces/a/nodes", absent()),
        ("GET", "/api/v2/pods", absent()),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/web/scale", Ok("Deployment")),
        ("GET", "/apis/apps/v1/namespaces/a/daemonsets/web/scale", absent()),
        (
            "POST",
            "/apis/apps/v1/namespaces/a/replicasets",
            Err((
                405,
                "create is not supported on resources of kind \"replicasets.apps\"".to_owned(),
            )),
        ),
        ("GET", "/apis/networking.k8s.io/v1/ingresses", absent()),
        ("GET", "/api/v1/namespaces/a/pods/web/proxy", absent()),
        (
            "DELETE",
            "/api/v1/namespaces/a/events/e",
            Err((405, "delete is not supported on resources of kind \"events\"".to_owned())),
        ),
        (
            "GET",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            Err((
                405,
                "list is not supported on resources of kind \
                 \"selfsubjectaccessreviews.authorization.k8s.io\""
                    .to_owned(),
            )),
        ),
    ];
    for (method, target, expected) in rows {
        assert_eq!(allow(method, target), expected, "{method} {target}");
    }
}

#[test]
fn the_aggregated_core_group_is_as_kubernetes_writes_it() {
    let document = Catalog::default().aggregated_core(DiscoveryVersion::V2);
    assert_eq!(document["apiVersion"], "apidiscovery.k8s.io/v2");
    assert_eq!(document["items"].as_array().map(Vec::len), Some(1));
    let version = &document["items"][0]["versions"][0];
    assert_eq!((&version["version"], &version["freshness"]), (&json!("v1"), &json!("Current")));
    let resources = version["resources"].as_array().unwrap();
    let pods = resources.iter().find(|it| it["resource"] == "pods").unwrap();
    assert_eq!(
        (&pods["scope"], &pods["shortNames"], &pods["categories"], &pods["singularResource"]),
        (&json!("Namespaced"), &json!(["po"]), &json!(["all"]), &json!("pod"))
    );
    assert_eq!(pods["responseKind"], json!({"group": "", "version": "v1", "kind": "Pod"}));
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    assert_eq!(pods["verbs"], json!(verbs));
    assert_eq!(
        pods["subresources"][2],
        json!({
            "subresource": "exec", "verbs": ["create", "get"],
            "responseKind": {"group": "", "version": "v1", "kind": "PodExecOptions"},
        })
    );
    let nodes = resources.iter().find(|it| it["resource"] == "nodes").unwrap();
    assert_eq!(nodes["scope"], "Cluster");
}

#[test]
fn both_forms_of_discovery_name_the_same_resources() {
    let catalog = Catalog::default();
    let mut aggregated = Vec::new();
    for version in [DiscoveryVersion::V2, DiscoveryVersion::V2Beta1] {
        let core = catalog.aggregated_core(version);
        let groups = catalog.aggregated_groups(version);
        aggregated.clear();
        let items = [core, groups].map(|it| it["items"].as_array().unwrap().clone()).concat();
        for item in items {
            for version in item["versions"].as_array().unwrap() {
                for resource in version["resources"].as_array().unwrap() {
                    let name = resource["resource"].as_str().unwrap();
                    let place = format!(
                        "{}/{}",
                        item["metadata"]["name"].as_str().unwrap(),
                        version["version"].as_str().unwrap()
                    );
                    aggregated.push(format!("{place}/{name}"));
                    for sub in resource["subresources"].as_array().into_iter().flatten() {
                        let sub = sub["subresource"].as_str().unwrap();
                        aggregated.push(format!("{place}/{name}/{sub}"));
                    }
                }
            }
        }
        aggregated.sort();
    }
    let mut legacy = Vec::new();
    let groups = catalog.groups();
    let mut places = vec![(String::new(), "v1".to_owned())];
    for group in groups["groups"].as_array().unwrap() {
        let name = group["name"].as_str().unwrap();
        let expected = catalog.group(name).unwrap();
        assert_eq!(expected["versions"], group["versions"]);
        assert_eq!(group["preferredVersion"], group["versions"][0]);
        for version in group["versions"].as_array().unwrap() {
            places.push((name.to_owned(), version["version"].as_str().unwrap().to_owned()));
        }
    }
    for (group, version) in places {
        let list = catalog.resources(&group, &version).unwrap();
        for resource in list["resources"].as_array().unwrap() {
            legacy.push(format!("{group}/{version}/{}", resource["name"].as_str().unwrap()));
        }
    }
    legacy.sort();
    assert_eq!(aggregated, legacy);
    assert_eq!(legacy.len(), SERVED.iter().map(|row| 1 + row.subresources.len()).sum::<usize>());
}

#[test]
fn legacy_documents() {
    let catalog = Catalog::default();
    assert_eq!(
        catalog.core_versions("127.0.0.1:6443"),
        json!({
            "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs":
                [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
        })
    );
    let list = catalog.resources("", "v1").unwrap();
    let pods = list["resources"].as_array().unwrap();
    let pods = pods.iter().find(|it| it["name"] == "pods").unwrap();
    assert_eq!(
        *pods,
        json!({
            "name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod",
            "verbs": [
                "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
            ],
            "shortNames": ["po"], "categories": ["all"],
        })
    );
    let exec = list["resources"].as_array().unwrap().iter().find(|it| it["name"] == "pods/exec");
    assert_eq!(
        *exec.unwrap(),
        json!({
            "name": "pods/exec", "singularName": "", "namespaced": true, "kind": "PodExecOptions",
            "verbs": ["create", "get"],
        })
    );
    let metrics = catalog.group("metrics.k8s.io").unwrap();
    assert_eq!(metrics["kind"], "APIGroup");
    assert_eq!(
        metrics["preferredVersion"],
        json!({"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"})
    );
    assert_eq!(catalog.group("networking.k8s.io").map_err(|it| it.code()), Err(404));
    assert_eq!(catalog.resources("", "v2").map_err(|it| it.code()), Err(404));
    assert!(catalog.root()["paths"].as_array().unwrap().contains(&json!("/apis/events.k8s.io/v1")));
    assert_eq!(version(1, 36, "v1.36.0+probelet.1", "linux/amd64")["minor"], "36");
}

const ALL: &[Verb] = &[Verb::Get, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];
static WRITABLE: &[Served] = &[
    Served {
        group: "",
        version: "v1",
        name: "pods",
        singular: "pod",
        kind: "Pod",
        short_names: &[],
        categories: &[],
        namespaced: true,
        verbs: ALL,
        subresources: &[],
    },
    Served {
        group: "example.com",
        version: "v1",
        name: "things",
        singular: "thing",
        kind: "Thing",
        short_names: &[],
        categories: &[],
        namespaced: false,
        verbs: ALL,
        subresources: &[],
    },
];

#[test]
fn the_openapi_documents_say_that_fields_are_validated() {
    let catalog = Catalog::new(WRITABLE);
    let index = catalog.openapi();
    let url = index["paths"]["api/v1"]["serverRelativeURL"].as_str().unwrap();
    let (path, hash) = url.split_once("?hash=").unwrap();
    assert_eq!((path, hash.len()), ("/openapi/v3/api/v1", 16));
    assert!(index["paths"]["apis/example.com/v1"]["serverRelativeURL"].is_string());
    let document = catalog.openapi_document("", "v1").unwrap();
    let paths = document["paths"].as_object().unwrap();
    let expected =
        ["/api/v1/namespaces/{namespace}/pods", "/api/v1/namespaces/{namespace}/pods/{name}"];
    assert_eq!(paths.keys().collect::<Vec<_>>(), expected);
    let post = &paths["/api/v1/namespaces/{namespace}/pods"]["post"];
    assert_eq!(
        post["x-kubernetes-group-version-kind"],
        json!({"group": "", "version": "v1", "kind": "Pod"})
    );
    assert_eq!(post["parameters"][2]["name"], "fieldValidation");
    let one = paths["/api/v1/namespaces/{namespace}/pods/{name}"].as_object().unwrap();
    assert_eq!(one.keys().collect::<Vec<_>>(), ["delete", "get", "patch", "put"]);
    let things = catalog.openapi_document("example.com", "v1").unwrap();
    assert!(things["paths"].get("/apis/example.com/v1/things/{name}").is_some());
    assert_eq!(catalog.openapi_document("", "v2").map_err(|it| it.code()), Err(404));
    // Stage 1 has no write, and its documents differ.
    let hash = |catalog: Catalog| catalog.openapi()["paths"]["api/v1"].clone();
    assert_ne!(hash(Catalog::default()), hash(catalog));
}

#[test]
fn the_document_of_v2_has_the_same_types_in_its_form() {
    let document = Catalog::new(WRITABLE).openapi_v2();
    let schemas = document["definitions"].as_object().unwrap();
    let pod = &schemas["io.k8s.api.core.v1.Pod"];
    let meta = "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    let description = "Name, namespace, labels and annotations.";
    assert_eq!(pod["properties"]["metadata"], json!({"$ref": meta, "description": description}));
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["items"], json!({"$ref": "#/definitions/io.k8s.api.core.v1.Container"}));
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    let dry_run = json!({"name": "dryRun", "in": "query", "type": "string", "uniqueItems": true});
    assert_eq!(patch["parameters"][0], dry_run);
    let text = document.to_string();
    assert!(!text.contains("#/components") && !text.contains("allOf"));
    // Every reference leads to a definition.
    for (_, after) in
        text.match_indices("#/definitions/").map(|(at, it)| text.split_at(at + it.len()))
    {
        let (name, _) = after.split_once('"').unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn the_schemas_have_the_types_of_fields() {
    let document = Catalog::new(WRITABLE).openapi_document("", "v1").unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let pod = &schemas["io.k8s.api.core.v1.Pod"];
    assert_eq!(
        pod["x-kubernetes-group-version-kind"],
        json!([{"group": "", "version": "v1", "kind": "Pod"}])
    );
    assert_eq!(pod["properties"]["kind"], json!({"type": "string"}));
    let meta = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    assert_eq!(pod["properties"]["metadata"]["allOf"], json!([{ "$ref": meta }]));
    assert_eq!(
        pod["properties"]["metadata"]["description"],
        "Name, namespace, labels and annotations."
    );
    let spec = &schemas["io.k8s.api.core.v1.PodSpec"];
    assert_eq!(
        spec["properties"]["containers"],
        json!({
            "type": "array", "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"},
            "description":
                "Containers of the pod, at least one. None can be added or removed.",
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
        })
    );
    assert_eq!(schemas["io.k8s.api.core.v1.Container"]["required"], json!(["name"]));
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    assert_eq!(
        spec["properties"]["nodeSelector"]["additionalProperties"],
        map["additionalProperties"]
    );
    let volume = schemas["io.k8s.api.core.v1.Volume"]["properties"].as_object().unwrap();
    assert!(volume.contains_key("emptyDir") && !volume.contains_key(""));
    // Each reference leads to a schema.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}
