use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn query(text: &str) -> Query {
    Query::parse(text).unwrap()
}

fn list(text: &str) -> Result<ListOptions, (u16, String)> {
    ListOptions::parse(&query(text)).map_err(|status| (status.code(), status.to_string()))
}

#[test]
fn the_watch_of_kubectl_delete_is_read() {
    let options = list(
        "allowWatchBookmarks=true&fieldSelector=metadata.name%3Dweb&resourceVersionMatch=\
         NotOlderThan&sendInitialEvents=true&timeoutSeconds=359&watch=true",
    )
    .unwrap();
    assert_eq!(options.fields.required("metadata.name"), Some("web"));
    assert!(options.watch && options.bookmarks && options.labels.is_empty());
    assert_eq!(options.initial_events, Some(true));
    assert_eq!(options.version, VersionRequest::Unset);
    assert_eq!(options.timeout, Some(Duration::from_secs(359)));
    let options = list("limit=500&resourceVersion=0&labelSelector=a%3Db&continue=x").unwrap();
    assert_eq!((options.limit, options.version), (Some(500), VersionRequest::Any));
    assert_eq!(options.continue_token.as_deref(), Some("x"));
    assert_eq!(list("watch=1&resourceVersion=17").unwrap().version, VersionRequest::At(17));
    assert_eq!(list("limit=0").unwrap().limit, None);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let invalid = "ListOptions.meta.k8s.io \"\" is invalid: ";
    let matching = "resourceVersionMatch: Forbidden: ";
    let rows = [
        (
            "watch=1&sendInitialEvents=true",
            422,
            format!(
                "{invalid}{matching}sendInitialEvents requires setting resourceVersionMatch to \
                 NotOlderThan"
            ),
        ),
        (
            "watch=1&resourceVersionMatch=NotOlderThan",
            422,
            format!(
                "{invalid}{matching}resourceVersionMatch is forbidden for watch unless \
                 sendInitialEvents is provided"
            ),
        ),
        (
            "sendInitialEvents=true",
            422,
            format!(
                "{invalid}sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
            ),
        ),
        (
            "resourceVersionMatch=Exact",
            422,
            format!(
                "{invalid}{matching}resourceVersionMatch is forbidden unless resourceVersion is \
                 provided"
            ),
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=0",
            422,
            format!(
                "{invalid}{matching}resourceVersionMatch \"exact\" is forbidden for \
                 resourceVersion \"0\""
            ),
        ),
        (
            "resourceVersionMatch=Newest&resourceVersion=1",
            422,
            format!(
                "{invalid}resourceVersionMatch: Unsupported value: \"Newest\": supported values: \
                 \"Exact\", \"NotOlderThan\", \"\""
            ),
        ),
        (
            "resourceVersion=abc",
            400,
            "query parameter \"resourceVersion\": invalid value \"abc\": must be a decimal number"
                .to_owned(),
        ),
        (
            "resourceVersion=%2B5",
            400,
            "query parameter \"resourceVersion\": invalid value \"+5\": must be a decimal number"
                .to_owned(),
        ),
        (
            "timeoutSeconds=soon",
            400,
            "query parameter \"timeoutSeconds\": invalid value \"soon\": must be an integer"
                .to_owned(),
        ),
        (
            "labelSelector=,",
            400,
            "found ',', expected: !, identifier, or 'end of string'".to_owned(),
        ),
        ("fieldSelector=a", 400, "invalid selector: 'a'; can't understand 'a'".to_owned()),
    ];
    for (text, code, message) in rows {
        assert_eq!(list(text), Err((code, message)), "{text}");
    }
}

#[test]
fn options_of_logs() {
    let parse = |text: &str| LogOptions::parse(&query(text));
    let options = parse(
        "container=app&follow=true&previous=1&sinceSeconds=60&tailLines=0&limitBytes=1&timestamps=\
         true",
    );
    let expected = LogOptions {
        container: Some("app".to_owned()),
        follow: true,
        previous: true,
        timestamps: true,
        since_seconds: Some(60),
        tail_lines: Some(0),
        limit_bytes: Some(1),
        ..LogOptions::default()
    };
    assert_eq!(options, Ok(expected));
    let time = parse("sinceTime=2026-08-21T12%3A00%3A00Z").unwrap().since_time;
    assert_eq!(time.map(|time| time.micros()), Some(1_787_313_600_000_000));
    for (text, field, message) in [
        ("sinceSeconds=0", "sinceSeconds", "Invalid value: 0: must be greater than 0"),
        ("tailLines=-1", "tailLines", "Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", "limitBytes", "Invalid value: 0: must be greater than 0"),
        (
            "stream=Stdin",
            "stream",
            "Unsupported value: \"Stdin\": supported values: \"All\", \"Stderr\", \"Stdout\"",
        ),
        (
            "tailLines=1&stream=Stdout",
            "",
            "Forbidden: `tailLines` and specific `stream` are mutually exclusive for now",
        ),
        (
            "sinceSeconds=1&sinceTime=2026-08-21T12:00:00Z",
            "",
            "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
    ] {
        let status = parse(text).unwrap_err();
        let expected = format!("PodLogOptions \"\" is invalid: {field}: {message}");
        assert_eq!((status.code(), status.to_string()), (422, expected), "{text}");
    }
    assert_eq!(parse("sinceTime=yesterday").unwrap_err().code(), 400);
}

#[test]
fn options_of_commands_and_ports() {
    let exec = CommandOptions::exec(&query(
        "command=sh&command=-c&container=app&stdin=true&stdout=1&tty=true&stderr=true",
    ));
    let expected = CommandOptions {
        container: Some("app".to_owned()),
        command: vec!["sh".to_owned(), "-c".to_owned()],
        stdin: true,
        stdout: true,
        stderr: false,
        tty: true,
    };
    assert_eq!(exec, Ok(expected));
    let python = CommandOptions::exec(&query("command=id&stdin=false&stderr=true&tty=false"));
    assert!(python.is_ok_and(|it| it.stderr && !it.stdin && !it.stdout));
    let nothing = CommandOptions::exec(&query("command=id")).unwrap_err();
    assert_eq!(
        (nothing.code(), nothing.message()),
        (400, "you must specify at least 1 of stdin, stdout, stderr")
    );
    let none = CommandOptions::exec(&query("stdout=true")).unwrap_err();
    assert_eq!(none.message(), "you must specify a command for exec");
    assert!(CommandOptions::attach(&query("stdout=true")).is_ok());

    let ports = |text: &str| forwarded_ports(&query(text)).map_err(|status| status.code());
    assert_eq!(ports("ports=80&ports=81,82"), Ok(vec![80, 81, 82]));
    assert_eq!(ports(""), Ok(vec![]));
    for text in ["ports=0", "ports=", "ports=65536", "ports=a", &"ports=1&".repeat(65)] {
        assert_eq!(ports(text), Err(400), "{text}");
    }
}

#[test]
fn options_of_writes() {
    let parse = |text: &str, kind| {
        WriteOptions::parse(&query(text), kind).map_err(|status| status.to_string())
    };
    let create = "fieldManager=kubectl-create&fieldValidation=Strict&dryRun=All&timeout=30s";
    let expected = WriteOptions {
        dry_run: true,
        field_manager: Some("kubectl-create".to_owned()),
        field_validation: FieldValidation::Strict,
        force: false,
        timeout: Some(Duration::from_secs(30)),
    };
    assert_eq!(parse(create, WriteKind::Create), Ok(expected));
    assert!(parse("fieldManager=kubectl&force=true", WriteKind::Apply).is_ok_and(|it| it.force));
    for (text, kind, message) in [
        (
            "dryRun=some",
            WriteKind::Update,
            "UpdateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \"some\": \
             supported values: \"All\"",
        ),
        (
            "force=1",
            WriteKind::Patch,
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for \
             non-apply patch",
        ),
        (
            "",
            WriteKind::Apply,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required \
             for apply patch",
        ),
        (
            "fieldValidation=x",
            WriteKind::Create,
            "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \
             \"x\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
        ),
    ] {
        assert_eq!(parse(text, kind), Err(message.to_owned()));
    }
    assert!(parse(&format!("fieldManager={}", "x".repeat(129)), WriteKind::Create).is_err());
    assert!(parse("fieldManager=a%0Ab", WriteKind::Create).is_err());
}

#[test]
fn options_of_deletions() {
    let parse = |text: &str, body: Option<Value>| DeleteOptions::parse(&query(text), body.as_ref());
    let body = json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
        "gracePeriodSeconds": 0, "preconditions": {"uid": "u"},
    });
    let options = parse("gracePeriodSeconds=9", Some(body)).unwrap();
    assert_eq!(options.grace_period_seconds, Some(0), "the body counts, not the query");
    assert_eq!(options.propagation, Some(Propagation::Background));
    let pods = GroupResource::new("", "pods");
    let object = json!({"metadata": {"uid": "v"}});
    assert_eq!(
        options.check(&pods, "web", &object).map_err(|status| status.to_string()),
        Err("Operation cannot be fulfilled on pods \"web\": Precondition failed: UID in \
             precondition: u, UID in object meta: v"
            .to_owned())
    );
    assert_eq!(options.check(&pods, "web", &json!({"metadata": {"uid": "u"}})), Ok(()));
    let from_query = parse("gracePeriodSeconds=-3&dryRun=All&orphanDependents=true", None).unwrap();
    assert_eq!(from_query.grace_period_seconds, Some(1));
    assert!(from_query.dry_run);
    assert_eq!(from_query.propagation, Some(Propagation::Orphan));
    for (text, body, code) in [
        ("propagationPolicy=Never", None, 422),
        ("", Some(json!({"propagationPolicy": "Orphan", "orphanDependents": true})), 422),
        ("", Some(json!({"dryRun": ["some"]})), 422),
        ("", Some(json!({"gracePeriodSeconds": "soon"})), 400),
        ("", Some(json!([])), 400),
        ("gracePeriodSeconds=x", None, 400),
    ] {
        assert_eq!(parse(text, body.clone()).map_err(|it| it.code()), Err(code), "{text} {body:?}");
    }
}

#[test]
fn options_of_the_response() {
    let include = |text: &str| IncludeObject::parse(&query(text)).map_err(|status| status.code());
    assert_eq!(include(""), Ok(IncludeObject::Metadata));
    assert_eq!(include("includeObject=Object"), Ok(IncludeObject::Object));
    assert_eq!(include("includeObject=None"), Ok(IncludeObject::None));
    assert_eq!(include("includeObject=all"), Err(400));
    assert!(is_pretty(&query("pretty=true"), "") && !is_pretty(&query("pretty=0"), "curl/8"));
    assert!(is_pretty(&query(""), "curl/8") && !is_pretty(&query(""), "kubectl/v1.36.4"));
}

proptest! {
    #[test]
    fn no_query_makes_it_panic(
        names in proptest::collection::vec("[a-zA-Z]{1,20}", 0..6),
        value in "\\PC{0,20}",
    ) {
        let known = ["limit", "resourceVersion", "sinceTime", "tailLines", "timeout", "ports"];
        for name in names.iter().map(String::as_str).chain(known) {
            let Ok(query) = Query::parse(&format!("{name}={value}&watch={value}")) else { continue };
            let _ = (ListOptions::parse(&query), LogOptions::parse(&query));
            let _ = (CommandOptions::exec(&query), forwarded_ports(&query));
            let _ = WriteOptions::parse(&query, WriteKind::Apply);
            let _ = DeleteOptions::parse(&query, None);
        }
    }
}
