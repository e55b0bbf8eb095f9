use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::pod_view::{at, view};
use super::*;
use probelet_domain::probe::{LastProbe, ProbeStatus};
use probelet_domain::probe::{Outcome, Verdict};
use probelet_domain::spec::ProbeKind;

fn failing() -> ProbeStatus {
    ProbeStatus {
        kind: ProbeKind::Liveness,
        last: Some(LastProbe {
            at: at(140),
            latency: Duration::from_micros(3200),
            outcome: Outcome::Failure("HTTP probe failed with statuscode: 500".into()),
        }),
        verdict: Verdict::Success,
        since: Some(at(130)),
        consecutive: 2,
        successes: 5,
        failures: 2,
        errors: 0,
    }
}

#[test]
fn the_state_of_probes_is_an_annotation_of_their_container() {
    let mut view = view();
    let silent = ProbeStatus {
        kind: ProbeKind::Startup,
        last: None,
        verdict: Verdict::Unknown,
        since: None,
        consecutive: 0,
        successes: 0,
        failures: 0,
        errors: 0,
    };
    Arc::make_mut(&mut view.status).containers[0].probes = vec![silent, failing()];
    let shown = to_json(&view);
    let text = shown["metadata"]["annotations"]["probelet.io/probes.kubia"].as_str().unwrap();
    let found: Value = serde_json::from_str(text).unwrap();
    let counters = |consecutive, successes, failures| {
        json!({
            "consecutive": consecutive, "successes": successes, "failures": failures, "errors": 0,
        })
    };
    let mut liveness = json!({
        "lastOutcome": "failure",
        "lastOutput": "HTTP probe failed with statuscode: 500",
        "lastAt": "2027-01-15T08:02:20Z",
        "lastLatency": "0.0032s",
        "verdict": "success",
        "since": "2027-01-15T08:02:10Z",
    });
    liveness.as_object_mut().unwrap().extend(counters(2, 5, 2).as_object().unwrap().clone());
    let mut startup = counters(0, 0, 0);
    startup["verdict"] = json!("unknown");
    assert_eq!(found, json!({"liveness": liveness, "startup": startup}));
    assert!(!text.contains("\": ") && !text.contains('\n'), "not compact: {text}");
}

#[test]
fn a_pause_is_an_annotation_while_it_lasts() {
    let mut view = view();
    let key = "probelet.io/probes-paused-until.kubia";
    assert_eq!(to_json(&view)["metadata"]["annotations"].get(key), None);
    Arc::make_mut(&mut view.status).containers[0].paused_until = Some(at(600));
    assert_eq!(to_json(&view)["metadata"]["annotations"][key], "2027-01-15T08:10:00Z");
}

#[test]
fn the_annotation_of_probes_is_ignored_in_a_manifest() {
    let mut view = view();
    Arc::make_mut(&mut view.status).containers[0].probes = vec![failing()];
    Arc::make_mut(&mut view.status).containers[0].paused_until = Some(at(600));
    let again = parse_value(to_json(&view), "uid-1".into()).unwrap();
    assert_eq!(again.spec, *view.spec);
    for kind in ["last-cause", "probes", "probes-paused-until"] {
        let warning =
            format!("metadata.annotations[probelet.io/{kind}.kubia]: ignored: made by the server");
        assert!(again.warnings.contains(&warning), "{kind}: {:?}", again.warnings);
    }
}

/// The settings of this container have keys that begin like an annotation of the server.
#[test]
fn a_container_named_probes_keeps_its_settings() {
    let text = STORY.replace("name: kubia\n", "name: probes\n").replace(
        "  name: kubia-liveness\n",
        "  name: kubia-liveness\n  annotations: {probelet.io/probes.liveness.periodMilliseconds: \
         '250'}\n",
    );
    let spec = read(&text).unwrap().spec;
    let liveness = spec.containers[0].probes.liveness.as_ref().unwrap();
    assert_eq!(liveness.period, Duration::from_millis(250));
}
