//! Manifests, labels and short forms.

use std::collections::BTreeMap;
use std::time::SystemTime;

use probelet::node::record;
use probelet_domain::adopt::LIVENESS;
use probelet_domain::container::{Memory, Wanted};
use probelet_domain::spec::{Grpc, Handler, PodSpec, PortRef, short_form as short};
use probelet_manifest::{
    Batch, File, Sources, batch, documents, export, of_short_form, settings_of_labels,
};
use serde_json::Value;

use crate::texts;

fn read(values: &[Value]) -> Batch {
    batch(values, || "uid-1".to_owned())
}

/// YAML or JSON of any kind. Each pod that is accepted survives its record, and its export is read as
/// the same pod.
pub fn manifest(data: &[u8]) {
    let [text] = texts(data);
    let Ok(values) = documents(&text) else { return };
    let batch = read(&values);
    let sources = Sources::read(vec![File { name: "a.yaml".to_owned(), text: text.clone() }]);
    drop(sources.findings());
    if !batch.errors.is_empty() {
        return;
    }
    for (_, pod) in batch.pods {
        let pod: PodSpec = (*pod).clone();
        let memory = Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH);
        let written = record::encode(&pod, &memory).expect("a pod is written");
        let (back, _) = record::decode(&written).expect("a record is read");
        assert_eq!(back, pod, "the record of a pod");
        exported(&pod);
    }
}

fn exported(pod: &PodSpec) {
    let Ok(first) = export(pod) else { return };
    if !first.notes.is_empty() {
        // Its Secrets are missing.
        return;
    }
    let again = read(&first.objects);
    assert!(again.errors.is_empty(), "an export is refused: {:?}", again.errors);
    let [(_, read)] = again.pods.as_slice() else { panic!("an export is one pod") };
    let second = export(read).expect("an export is exported");
    assert_eq!(first.objects, second.objects, "the export of an export");
}

/// Labels of adopted containers, as lines `KEY=VALUE`.
pub fn labels(data: &[u8]) {
    let [text] = texts(data);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let labels: BTreeMap<String, String> =
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    match settings_of_labels(&labels) {
        Ok(settings) => assert_eq!(settings_of_labels(&labels), Ok(settings)),
        Err(errors) => {
            // A long field is cut.
            let is_named = |field: &str| {
                let field = field.trim_end_matches('…');
                labels.keys().any(|label| field.starts_with(label) || label.starts_with(field))
            };
            assert!(errors.0.iter().all(|error| is_named(&error.field)), "{errors}");
        }
    }
}

/// A probe in short form is the same probe as its long form.
pub fn short_form(data: &[u8]) {
    let [text] = texts(data);
    let handler = short::handler("probe", &text);
    let long = of_short_form("probe", &text);
    assert_eq!(handler.is_ok(), long.is_ok(), "{handler:?} {long:?}");
    // The long form has no field for TLS of a gRPC probe, and its port is a number.
    let (Ok(handler), Ok((long, false))) = (handler, long) else { return };
    if matches!(&handler, Handler::Grpc(Grpc { port: PortRef::Name(_), .. })) {
        return;
    }
    let labels = BTreeMap::from([(LIVENESS.to_owned(), long.to_string())]);
    let settings = settings_of_labels(&labels).expect("the long form is read");
    let liveness = settings.probes.liveness.expect("the probe is there");
    assert_eq!(liveness.handler, handler, "{long}");
}
