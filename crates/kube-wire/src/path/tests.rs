use proptest::prelude::*;

use super::*;

fn parse(method: &str, target: &str) -> Result<Request, Status> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = Method::parse(method).ok_or_else(protocol::method_not_allowed)?;
    Request::parse(method, path, &Query::parse(query)?)
}

/// Verb, group, version, namespace, resource, name, subresource; `-` for none.
fn line(method: &str, target: &str) -> String {
    match parse(method, target) {
        Ok(Request::Resource(request)) => {
            let or_none = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
            let fields = [
                request.verb.as_str().to_owned(),
                request.group_resource().to_string(),
                request.version.clone(),
                or_none(&request.namespace),
                or_none(&request.name),
                or_none(&request.subresource),
            ];
            fields.join(" ")
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn resource_requests() {
    let rows = [
        ("GET", "/api/v1/pods?limit=500", "list pods v1 - - -"),
        ("GET", "/api/v1/namespaces/a/pods", "list pods v1 a - -"),
        ("GET", "/api/v1/namespaces/a/pods/", "list pods v1 a - -"),
        ("GET", "/api/v1/namespaces/a/pods?watch=true", "watch pods v1 a - -"),
        ("GET", "/api/v1/namespaces/a/pods?watch=false", "list pods v1 a - -"),
        ("GET", "/api/v1/namespaces/a/pods?watch=0", "list pods v1 a - -"),
        ("GET", "/api/v1/namespaces/a/pods?watch", "watch pods v1 a - -"),
        ("HEAD", "/api/v1/namespaces/a/pods/web", "get pods v1 a web -"),
        ("GET", "/api/v1/namespaces/a/pods/web", "get pods v1 a web -"),
        ("GET", "/api/v1/namespaces/a/pods/web?watch=1", "get pods v1 a web -"),
        ("GET", "/api/v1/namespaces/a/pods/web/log?follow=true", "get pods v1 a web log"),
        ("GET", "/api/v1/namespaces/a/pods/web/exec?command=id", "get pods v1 a web exec"),
        ("POST", "/api/v1/namespaces/a/pods/web/exec", "create pods v1 a web exec"),
        ("POST", "/api/v1/namespaces/a/pods", "create pods v1 a - -"),
        ("PUT", "/api/v1/namespaces/a/pods/web", "update pods v1 a web -"),
        ("PATCH", "/api/v1/namespaces/a/pods/web/status", "patch pods v1 a web status"),
        ("DELETE", "/api/v1/namespaces/a/pods/web", "delete pods v1 a web -"),
        ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection pods v1 a - -"),
        ("GET", "/api/v1/namespaces", "list namespaces v1 - - -"),
        ("GET", "/api/v1/namespaces/a", "get namespaces v1 - a -"),
        ("PUT", "/api/v1/namespaces/a/status", "update namespaces v1 - a status"),
        ("PUT", "/api/v1/namespaces/a/finalize", "update namespaces v1 - a finalize"),
        ("GET", "/api/v1/nodes/n", "get nodes v1 - n -"),
        (
            "GET",
            "/apis/apps/v1/namespaces/a/deployments/web/scale",
            "get deployments.apps v1 a web scale",
        ),
        ("GET", "/apis/metrics.k8s.io/v1beta1/nodes", "list nodes.metrics.k8s.io v1beta1 - - -"),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "create selfsubjectaccessreviews.authorization.k8s.io v1 - - -",
        ),
        ("GET", "/api/v1/namespaces/a/events/web.17%2e5", "get events v1 a web.17.5 -"),
    ];
    for (method, target, expected) in rows {
        assert_eq!(line(method, target), expected, "{method} {target}");
    }
}

#[test]
fn documents() {
    let core = |version: &str| (String::new(), version.to_owned());
    let (group, version) = core("v1");
    let apps = || ("apps".to_owned(), "v1".to_owned());
    let rows = [
        ("/", Request::Root),
        ("", Request::Root),
        ("/version?timeout=32s", Request::Version),
        ("/healthz", Request::Health(Health::Healthz, None)),
        ("/livez/ping", Request::Health(Health::Livez, Some("ping".to_owned()))),
        ("/readyz?verbose", Request::Health(Health::Readyz, None)),
        ("/metrics", Request::Metrics),
        ("/api", Request::CoreVersions),
        ("/apis/", Request::Groups),
        ("/apis/apps", Request::Group("apps".to_owned())),
        ("/api/v1", Request::Resources { group: group.clone(), version: version.clone() }),
        ("/apis/apps/v1", {
            let (group, version) = apps();
            Request::Resources { group, version }
        }),
        ("/openapi/v2", Request::OpenApiV2),
        ("/openapi/v3", Request::OpenApiV3),
        ("/openapi/v3/api/v1?hash=X", Request::OpenApiV3Document { group, version }),
        ("/openapi/v3/apis/apps/v1", {
            let (group, version) = apps();
            Request::OpenApiV3Document { group, version }
        }),
    ];
    for (target, expected) in rows {
        assert_eq!(parse("GET", target), Ok(expected), "{target}");
    }
}

#[test]
fn refusals() {
    let long = format!("/api/v1/namespaces/a/pods/{}", "x".repeat(254));
    let longer = format!("/{}", "x".repeat(5_000));
    let rows = [
        ("GET", "/none", 404),
        ("GET", "/openapi/v4", 404),
        ("GET", "/healthz/a/b", 404),
        ("GET", "/api/v1//pods", 404),
        ("GET", "/api/v1/namespaces/a/pods/web/proxy/x", 404),
        ("GET", "/api/v1/namespaces/../pods", 400),
        ("GET", "/api/v1/namespaces/%2e%2E/pods", 400),
        ("GET", "/api/v1/namespaces/a/pods/a%2Fb", 400),
        ("GET", "/api/v1/namespaces/a/pods/a%00", 400),
        ("GET", "/api/v1/namespaces/a/pods/%zz", 400),
        ("GET", &long, 400),
        ("GET", &longer, 400),
        ("POST", "/version", 405),
        ("POST", "/api/v1/namespaces/a/pods/web", 405),
        ("PUT", "/api/v1/namespaces/a/pods", 405),
        ("PATCH", "/api/v1/namespaces/a/pods", 405),
        ("OPTIONS", "/api/v1/pods", 405),
    ];
    for (method, target, code) in rows {
        assert_eq!(parse(method, target).map_err(|it| it.code()), Err(code), "{method} {target}");
    }
}

proptest! {
    #[test]
    fn no_path_makes_it_panic(
        method in "(GET|POST|PUT|PATCH|DELETE|HEAD)",
        path in "(/|api|apis|v1|namespaces|pods|status|%|%2e|[a-z0-9.]|\\PC){0,12}",
    ) {
        if let Ok(Request::Resource(request)) = parse(&method, &path.replace('?', "")) {
            let names = [request.namespace, request.name, request.subresource];
            for name in names.into_iter().flatten() {
                prop_assert!(!name.is_empty() && !name.contains('/') && name != "..");
            }
        }
    }
}
