use serde_json::json;

use super::*;
use crate::discovery::Catalog;

#[test]
fn an_event_has_both_forms() {
    let event = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": "web.1"}, "type": "Normal",
        "reason": "Started", "message": "m", "involvedObject": {"name": "web"}, "count": 2,
        "source": {"component": "probelet"}, "firstTimestamp": "a", "lastTimestamp": "b",
        "reportingComponent": "c", "reportingInstance": "i",
    });
    let of = |group: &str| Catalog::default().find(group, "v1", "events").unwrap();
    assert!(matches!(served_as(of(""), &event), Cow::Borrowed(_)));
    assert_eq!(
        served_as(of("events.k8s.io"), &event).into_owned(),
        json!({
            "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "web.1"},
            "type": "Normal", "reason": "Started", "note": "m", "regarding": {"name": "web"},
            "deprecatedCount": 2, "deprecatedSource": {"component": "probelet"},
            "deprecatedFirstTimestamp": "a", "deprecatedLastTimestamp": "b",
            "reportingController": "c", "reportingInstance": "i",
        })
    );
}
