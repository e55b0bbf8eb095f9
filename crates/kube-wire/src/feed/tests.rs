use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::discovery::{Catalog, Served};
use crate::negotiate::{Form, MetaVersion};
use crate::options::{IncludeObject, ListOptions};
use crate::query::Query;
use crate::status::{Status, protocol};
use crate::time::Timestamp;

const BOOT: u64 = 1_000;

fn served(group: &str, name: &str) -> &'static Served {
    Catalog::default().find(group, "v1", name).unwrap()
}

fn pods() -> Stored {
    Stored::of(served("", "pods"))
}

fn options(query: &str) -> ListOptions {
    ListOptions::parse(&Query::parse(query).unwrap()).unwrap()
}

fn pod(namespace: &str, name: &str, app: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": app}},
    })
}

/// A feed with the pods `a/x` and `b/y`, at the versions 1001 and 1002.
fn feed() -> Feed {
    let mut feed = Feed::new(BOOT);
    feed.publish(pods(), pod("a", "x", "web"), 0).unwrap();
    feed.publish(pods(), pod("b", "y", "db"), 0).unwrap();
    feed
}

fn watch(feed: &Feed, namespace: Option<&str>, query: &str) -> Result<Watch, (u16, String)> {
    let options = options(&format!("watch=1&{query}"));
    let selection = Selection::new(served("", "pods"), namespace, &options).unwrap();
    feed.watch(selection, &options).map_err(|status| (status.code(), status.to_string()))
}

/// `ADDED a/x 1001`, for each event.
fn lines(events: &[WatchEvent]) -> Vec<String> {
    let line = |event: &WatchEvent| {
        let text = |name: &str| event.object()["metadata"][name].as_str().unwrap_or("-").to_owned();
        let kind = event.kind().as_str();
        format!("{kind} {}/{} {}", text("namespace"), text("name"), text("resourceVersion"))
    };
    events.iter().map(line).collect()
}

fn next(watch: &mut Watch, feed: &Feed) -> Vec<String> {
    lines(&watch.next(feed, 100).unwrap())
}

#[test]
fn versions_grow_whatever_the_clock_does() {
    let mut versions = ResourceVersions::new(10);
    let given: Vec<_> = [5, 100, 100, 50, 1_000].map(|micros| versions.next(micros)).into();
    assert_eq!(given, [11, 100, 101, 102, 1_000]);
    assert_eq!(ResourceVersions::new(u64::MAX).next(0), u64::MAX);
}

#[test]
fn objects_get_versions_and_an_equal_one_changes_nothing() {
    let mut feed = feed();
    let key = Key::new("a", "x");
    assert_eq!(feed.version(), 1_002);
    let same = feed.publish(pods(), pod("a", "x", "web"), 5_000).unwrap();
    assert_eq!(same["metadata"]["resourceVersion"], "1001");
    assert_eq!(feed.version(), 1_002);
    let changed = feed.publish(pods(), pod("a", "x", "api"), 5_000).unwrap();
    assert_eq!(changed["metadata"]["resourceVersion"], "5000");
    assert_eq!(feed.get(pods(), &key), Some(changed));
    let last = feed.remove(pods(), &key, 0).unwrap();
    assert_eq!(last["metadata"]["resourceVersion"], "5001");
    assert_eq!((feed.get(pods(), &key), feed.remove(pods(), &key, 0)), (None, None));
    assert_eq!(feed.publish(pods(), json!({"metadata": {}}), 0), Err(NoKey));
    assert_eq!(feed.load(pods(), json!([])), Err(NoKey));
}

#[test]
fn a_watch_begins_as_its_version_says() {
    let mut feed = feed();
    let state = ["ADDED a/x 1001", "ADDED b/y 1002"];
    let end = "BOOKMARK -/- 1002";
    let with_end: Vec<_> = state.into_iter().chain([end]).collect();
    let list = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let bookmarks = format!("{list}&allowWatchBookmarks=true");
    let rows = [
        ("".to_owned(), state.to_vec()),
        ("resourceVersion=0".to_owned(), state.to_vec()),
        ("resourceVersion=1002".to_owned(), vec![]),
        ("resourceVersion=1001".to_owned(), vec!["ADDED b/y 1002"]),
        ("resourceVersion=1000".to_owned(), state.to_vec()),
        (bookmarks.clone(), with_end.clone()),
        (format!("{bookmarks}&resourceVersion=0"), with_end.clone()),
        (format!("{bookmarks}&resourceVersion=1001"), with_end.clone()),
        (list.to_owned(), state.to_vec()),
        ("sendInitialEvents=false&resourceVersionMatch=NotOlderThan".to_owned(), vec![]),
    ];
    let mut watches = Vec::new();
    for (query, expected) in rows {
        let mut watch = watch(&feed, None, &query).unwrap();
        assert_eq!(next(&mut watch, &feed), expected, "{query}");
        assert!(!watch.is_ready(&feed), "{query}");
        watches.push(watch);
    }
    feed.publish(pods(), pod("a", "x", "api"), 0).unwrap();
    for watch in &mut watches {
        assert!(watch.is_ready(&feed));
        assert_eq!(next(watch, &feed), ["MODIFIED a/x 1003"]);
    }
    let mut watch = watch(&feed, None, &bookmarks).unwrap();
    let events = watch.next(&feed, 100).unwrap();
    let end = events.last().unwrap().object();
    assert_eq!(end["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert_eq!((&end["kind"], &end["apiVersion"]), (&json!("Pod"), &json!("v1")));
}

#[test]
fn a_version_that_is_forgotten_or_ahead_is_refused() {
    let feed = feed();
    let error = |query: &str| watch(&feed, None, query).map(|_| ()).unwrap_err();
    assert_eq!(
        error("resourceVersion=999"),
        (410, "too old resource version: 999 (1000)".to_owned())
    );
    assert_eq!(
        error("resourceVersion=1003"),
        (410, "resource version 1003 is newer than the newest, 1002".to_owned())
    );
    assert_eq!(
        error("resourceVersion=1003&sendInitialEvents=1&resourceVersionMatch=NotOlderThan"),
        (504, "Timeout: Too large resource version: 1003, current: 1002".to_owned())
    );
}

#[test]
fn an_object_enters_and_leaves_a_selection() {
    let mut feed = feed();
    let mut web = watch(&feed, None, "labelSelector=app%3Dweb&resourceVersion=1002").unwrap();
    let mut a = watch(&feed, Some("a"), "resourceVersion=1002").unwrap();
    let mut one =
        watch(&feed, None, "fieldSelector=metadata.name%3Dy&resourceVersion=1002").unwrap();
    feed.publish(pods(), pod("b", "y", "web"), 0).unwrap();
    feed.publish(pods(), pod("b", "y", "api"), 0).unwrap();
    feed.publish(pods(), pod("a", "z", "api"), 0).unwrap();
    feed.remove(pods(), &Key::new("a", "x"), 0).unwrap();
    feed.publish(Stored::of(served("", "nodes")), json!({"metadata": {"name": "n"}}), 0).unwrap();
    assert_eq!(next(&mut web, &feed), ["ADDED b/y 1003", "DELETED b/y 1004", "DELETED a/x 1006"]);
    assert_eq!(next(&mut a, &feed), ["ADDED a/z 1005", "DELETED a/x 1006"]);
    assert_eq!(next(&mut one, &feed), ["MODIFIED b/y 1003", "MODIFIED b/y 1004"]);
    // The object of the deletion is the one that was selected.
    let mut web = watch(&feed, None, "labelSelector=app%3Dweb&resourceVersion=1003").unwrap();
    let events = web.next(&feed, 1).unwrap();
    assert_eq!(events[0].object()["metadata"]["labels"]["app"], "web");
    assert_eq!(next(&mut web, &feed), ["DELETED a/x 1006"], "the rest comes later");
}

#[test]
fn a_watch_that_falls_behind_expires() {
    let mut feed = feed();
    let mut slow = watch(&feed, None, "resourceVersion=1002").unwrap();
    for i in 0..1_024 {
        feed.publish(pods(), pod("a", "x", &format!("v{i}")), 0).unwrap();
    }
    let mut whole = watch(&feed, None, "resourceVersion=1002").unwrap();
    assert_eq!(whole.next(&feed, 5_000).unwrap().len(), 1_024);
    feed.publish(pods(), pod("a", "x", "last"), 0).unwrap();
    assert!(slow.is_ready(&feed));
    let error = slow.next(&feed, 100).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (410, "too old resource version: 1002 (1003)")
    );
    let event = WatchEvent::error(&error);
    assert_eq!((event.kind(), &event.object()["reason"]), (EventKind::Error, &json!("Expired")));
    assert_eq!(watch(&feed, None, "resourceVersion=1002").map(|_| ()).unwrap_err().0, 410);
    assert!(watch(&feed, None, "resourceVersion=1003").is_ok());
}

#[test]
fn the_ring_is_bounded_in_bytes_too() {
    let mut feed = feed();
    let big = "x".repeat(1_000_000);
    for i in 0..3 {
        let mut object = pod("a", "x", "web");
        object["data"] = json!(format!("{i}{big}"));
        feed.publish(pods(), object, 0).unwrap();
    }
    assert_eq!(watch(&feed, None, "resourceVersion=1002").map(|_| ()).unwrap_err().0, 410);
    let mut object = pod("a", "x", "web");
    object["data"] = json!("x".repeat(3_000_000));
    let mut current = watch(&feed, None, "resourceVersion=1005").unwrap();
    feed.publish(pods(), object, 0).unwrap();
    assert_eq!(current.next(&feed, 100).unwrap_err().code(), 410, "larger than the ring");
    assert!(watch(&feed, None, "resourceVersion=1006").is_ok());
}

#[test]
fn bookmarks_move_the_version_of_quiet_watches() {
    let mut feed = feed();
    let mut quiet = watch(&feed, Some("c"), "resourceVersion=1002&allowWatchBookmarks=1").unwrap();
    let mut without = watch(&feed, Some("c"), "resourceVersion=1002").unwrap();
    feed.publish(pods(), pod("a", "x", "api"), 0).unwrap();
    assert_eq!(quiet.bookmark(&feed), None, "it has not seen the last change");
    for watch in [&mut quiet, &mut without] {
        assert_eq!(next(watch, &feed), Vec::<String>::new());
    }
    let bookmark = quiet.bookmark(&feed).unwrap();
    assert_eq!(lines(&[bookmark]), ["BOOKMARK -/- 1003"]);
    assert_eq!(without.bookmark(&feed), None);
}

fn list(feed: &Feed, namespace: Option<&str>, query: &str) -> Result<Page, Status> {
    let options = options(query);
    let selection = Selection::new(served("", "pods"), namespace, &options)?;
    feed.list(&selection, &options)
}

fn names(page: &Page) -> Vec<String> {
    page.items().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_are_selected() {
    let feed = feed();
    let page = list(&feed, None, "").unwrap();
    assert_eq!((names(&page), page.version()), (vec!["x".to_owned(), "y".to_owned()], 1_002));
    let value = serde_json::to_value(&page).unwrap();
    assert_eq!((&value["kind"], &value["apiVersion"]), (&json!("PodList"), &json!("v1")));
    assert_eq!(value["metadata"], json!({"resourceVersion": "1002"}));
    assert_eq!(value["items"][0]["metadata"]["resourceVersion"], "1001");
    assert_eq!(names(&list(&feed, Some("b"), "").unwrap()), ["y"]);
    assert_eq!(names(&list(&feed, None, "labelSelector=app!%3Dweb").unwrap()), ["y"]);
    let unknown = list(&feed, None, "fieldSelector=spec.x%3Dy").unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (400, "field label not supported: spec.x"));
}

#[test]
fn pages_are_of_one_version() {
    let mut feed = feed();
    for name in ["p", "q"] {
        feed.publish(pods(), pod("a", name, "web"), 0).unwrap();
    }
    let first = list(&feed, None, "limit=2").unwrap();
    assert_eq!(names(&first), ["p", "q"]);
    let metadata = first.metadata();
    assert_eq!(
        (&metadata["resourceVersion"], &metadata["remainingItemCount"]),
        (&json!("1004"), &json!(2))
    );
    // Until the second page, one object goes, one changes, one comes.
    feed.remove(pods(), &Key::new("a", "x"), 0).unwrap();
    feed.publish(pods(), pod("b", "y", "changed"), 0).unwrap();
    feed.publish(pods(), pod("z", "new", "web"), 0).unwrap();
    let token = metadata["continue"].as_str().unwrap();
    let second = list(&feed, None, &format!("limit=2&continue={token}")).unwrap();
    assert_eq!((names(&second), second.version()), (vec!["x".to_owned(), "y".to_owned()], 1_004));
    assert_eq!(second.items().last().unwrap()["metadata"]["labels"]["app"], "db");
    assert_eq!(second.metadata(), json!({"resourceVersion": "1004"}));
    let filtered = list(&feed, None, "limit=1&labelSelector=app").unwrap();
    assert_eq!(filtered.metadata().get("remainingItemCount"), None);
    for i in 0..2_000 {
        feed.publish(pods(), pod("a", "p", &format!("v{i}")), 0).unwrap();
    }
    let error = |query: &str| list(&feed, None, query).unwrap_err().code();
    assert_eq!(error(&format!("continue={token}")), 410);
    assert_eq!(error("continue=nonsense"), 400);
    assert_eq!(error("resourceVersion=1004&resourceVersionMatch=Exact"), 410);
    assert_eq!(error("resourceVersion=999999&resourceVersionMatch=Exact"), 504);
    assert_eq!(error("resourceVersion=999999"), 504);
    assert!(list(&feed, None, "resourceVersion=1004").is_ok(), "not older than");
}

#[test]
fn loaded_objects_have_the_first_version() {
    let mut feed = Feed::new(BOOT);
    feed.load(pods(), pod("a", "x", "web")).unwrap();
    let page = list(&feed, None, "").unwrap();
    assert_eq!(page.items().next().unwrap()["metadata"]["resourceVersion"], "1000");
    assert!(next(&mut watch(&feed, None, "resourceVersion=1000").unwrap(), &feed).is_empty());
}

#[test]
fn events_are_written_in_the_form_of_the_client() {
    let now = Timestamp::from_micros(0);
    let mut feed = feed();
    let list = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1";
    let events = watch(&feed, None, list).unwrap().next(&feed, 100).unwrap();
    let write = |form: Form| -> Vec<Value> {
        let mut writer = EventWriter::new(served("", "pods"), form, IncludeObject::Metadata);
        events.iter().map(|event| writer.write(event, now)).collect()
    };
    let plain = write(Form::Plain);
    assert_eq!((&plain[0]["type"], &plain[0]["object"]["kind"]), (&json!("ADDED"), &json!("Pod")));
    assert_eq!(plain[2]["type"], "BOOKMARK");
    let tables = write(Form::Table(MetaVersion::V1));
    let columns = |event: &Value| event["object"]["columnDefinitions"].as_array().unwrap().len();
    assert_eq!([columns(&tables[0]), columns(&tables[1])], [9, 0]);
    assert_eq!(tables[1]["object"]["rows"][0]["cells"][0], "y");
    assert_eq!(
        tables[2]["object"]["rows"][0]["object"]["metadata"]["annotations"],
        json!({"k8s.io/initial-events-end": "true"})
    );
    let partial = write(Form::PartialMetadata(MetaVersion::V1));
    assert_eq!(partial[0]["object"]["kind"], "PartialObjectMetadata");

    let event = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": {"namespace": "a", "name": "x.1"},
        "involvedObject": {"name": "x"}, "message": "m",
    });
    let new = served("events.k8s.io", "events");
    feed.publish(Stored::of(new), event, 0).unwrap();
    let options = options("watch=1&fieldSelector=regarding.name%3Dx");
    let selection = Selection::new(new, None, &options).unwrap();
    let events = feed.watch(selection, &options).unwrap().next(&feed, 100).unwrap();
    let mut writer = EventWriter::new(new, Form::Plain, IncludeObject::Metadata);
    let written = writer.write(&events[0], now);
    assert_eq!(
        (&written["object"]["note"], &written["object"]["apiVersion"]),
        (&json!("m"), &json!("events.k8s.io/v1"))
    );
    let page = feed.list(&Selection::new(new, None, &options).unwrap(), &options).unwrap();
    let page = serde_json::to_value(&page).unwrap();
    assert_eq!(
        (&page["kind"], &page["apiVersion"]),
        (&json!("EventList"), &json!("events.k8s.io/v1"))
    );
    assert_eq!(page["items"][0]["note"], "m");
    let table = Form::Table(MetaVersion::V1);
    let mut tables = EventWriter::new(new, table, IncludeObject::Object);
    let row = tables.write(&events[0], now)["object"]["rows"][0].clone();
    assert_eq!((&row["object"]["note"], &row["cells"][6]), (&json!("m"), &json!("m")));
    let error = writer.write(&WatchEvent::error(&protocol::expired(1, 2)), now);
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

#[derive(Debug, Clone)]
enum Step {
    Publish(usize, usize, usize),
    Remove(usize, usize),
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2usize, 0..4usize, 0..3usize).prop_map(|(n, p, a)| Step::Publish(n, p, a)),
        2 => (0..2usize, 0..4usize).prop_map(|(n, p)| Step::Remove(n, p)),
        1 => Just(Step::Read),
    ]
}

proptest! {
    /// A client that applies the events of its watch has, whenever it has read all, exactly the
    /// objects of a list with the same selectors.
    #[test]
    fn a_watch_and_a_list_agree(
        steps in proptest::collection::vec(step(), 0..60),
        begin in 0..20usize,
        selector in prop_oneof![Just(""), Just("app=a0"), Just("app!=a1"), Just("!app")],
        namespace in prop_oneof![Just(None), Just(Some("n1"))],
    ) {
        let mut feed = Feed::new(BOOT);
        let query = format!("labelSelector={}", selector.replace('=', "%3D"));
        let mut client: Option<(Watch, BTreeMap<Key, Value>)> = None;
        for (i, step) in steps.into_iter().chain([Step::Read]).enumerate() {
            match step {
                Step::Publish(n, p, a) => {
                    let object = pod(&format!("n{n}"), &format!("p{p}"), &format!("a{a}"));
                    feed.publish(pods(), object, 0).unwrap();
                }
                Step::Remove(n, p) => {
                    feed.remove(pods(), &Key::new(format!("n{n}"), format!("p{p}")), 0);
                }
                Step::Read => {
                    let Some((watch, objects)) = &mut client else { continue };
                    while watch.is_ready(&feed) {
                        for event in watch.next(&feed, 2).unwrap() {
                            let key = Key::of(&event.object()).unwrap();
                            let object = event.object().clone();
                            let old = match event.kind() {
                                EventKind::Deleted => objects.remove(&key),
                                _ => objects.insert(key, object),
                            };
                            prop_assert_eq!(old.is_none(), event.kind() == EventKind::Added);
                        }
                    }
                    let page = list(&feed, namespace, &query).unwrap();
                    let listed: Vec<_> = page.items().map(std::borrow::Cow::into_owned).collect();
                    let watched: Vec<_> = objects.values().cloned().collect();
                    prop_assert_eq!(listed, watched);
                }
            }
            if i == begin {
                client = Some((watch(&feed, namespace, &query).unwrap(), BTreeMap::new()));
            }
        }
    }
}

#[test]
fn texts_say_what_the_values_say() {
    let mut feed = feed();
    feed.publish(
        Stored::of(served("", "events")),
        json!({
            "kind": "Event", "apiVersion": "v1", "message": "a \"quoted\" text\n",
            "metadata": {"namespace": "a", "name": "e"},
        }),
        0,
    )
    .unwrap();
    let now = Timestamp::from_micros(0);
    for (group, name) in [("", "pods"), ("", "events"), ("events.k8s.io", "events")] {
        let (served, options) = (served(group, name), options(""));
        let selection = Selection::new(served, None, &options).unwrap();
        let page = feed.list(&selection, &options).unwrap();
        let text: Value = serde_json::from_str(&page.text()).unwrap();
        assert_eq!(text, serde_json::to_value(&page).unwrap(), "{group}/{name}");
        let mut watch = feed.watch(selection, &options).unwrap();
        for form in [Form::Plain, Form::PartialMetadata(MetaVersion::V1)] {
            let mut writer = EventWriter::new(served, form, IncludeObject::Metadata);
            for event in watch.next(&feed, 100).unwrap() {
                let text: Value = serde_json::from_str(&writer.text(&event, now)).unwrap();
                assert_eq!(text, writer.write(&event, now), "{group}/{name}");
            }
        }
    }
}

#[test]
fn a_selector_of_names_needs_no_object() {
    let feed = feed();
    for (query, expected) in [
        ("fieldSelector=metadata.name%3Dx", vec!["x"]),
        ("fieldSelector=metadata.name!%3Dx", vec!["y"]),
        ("fieldSelector=metadata.namespace%3Db%2Cmetadata.name%3Dy", vec!["y"]),
        ("fieldSelector=metadata.namespace%3Da%2Cmetadata.name%3Dy", vec![]),
    ] {
        assert_eq!(names(&list(&feed, None, query).unwrap()), expected, "{query}");
    }
}
