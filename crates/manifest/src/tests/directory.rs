//! Files of the manifest directory.

use crate::reading;
use probelet_domain::pod_key::PodKey;
use probelet_domain::static_pods::Content;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: app\n    image: app:1\n";

fn read(text: &str) -> Content {
    reading("/m/web.yaml", &Ok(text.into()), || "u".to_owned()).content
}

fn unreadable(text: &str) -> String {
    match read(text) {
        Content::Unreadable(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_read_as_one_apply() {
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {A: b}\n";
    let text = format!("{POD}    envFrom: [{{configMapRef: {{name: m}}}}]\n{map}");
    let Content::Pods(pods) = read(&text) else { panic!("{:?}", read(&text)) };
    assert_eq!((pods.len(), pods[0].containers[0].env[0].value.as_str()), (1, "b"));
    let ignored = POD.replace("spec:\n", "spec:\n  nodeName: here\n");
    let reading = reading("/m/web.yaml", &Ok(ignored.as_str().into()), || "u".to_owned());
    assert!(reading.warnings[0].starts_with("/m/web.yaml:5:3: spec.nodeName: ignored"));
}

#[test]
fn an_error_has_its_position_and_the_names_of_the_pods() {
    let text = format!("{POD}    imagePullPolicy: Maybe\n---\n{}", POD.replace("web", "other"));
    let Content::Refused { pods, why } = read(&text) else { panic!("{:?}", read(&text)) };
    assert_eq!(pods, ["web", "other"].map(PodKey::in_default));
    assert!(why.starts_with("/m/web.yaml:8:5: spec.containers[0].imagePullPolicy: "), "{why}");
}

#[test]
fn a_file_that_is_cut_off_names_no_pod() {
    let half = unreadable("apiVersion: v1\nkind: [");
    assert!(half.starts_with("/m/web.yaml:3:1: "), "{half}");
    for nothing in ["", "# soon\n", "---\n---\n"] {
        assert_eq!(unreadable(nothing), "/m/web.yaml: no pod is in it");
    }
    let denied = reading("/m/web.yaml", &Err("Permission denied".into()), || "u".to_owned());
    assert_eq!(denied.content, Content::Unreadable("/m/web.yaml: Permission denied".into()));
}

#[test]
fn an_object_that_is_left_out_has_a_warning_and_names_no_pod() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n";
    let reading = reading("/m/web.yaml", &Ok(text.into()), || "u".to_owned());
    assert_eq!(reading.content, Content::Pods(vec![]));
    let expected = "/m/web.yaml:1:1: service/web: ignored: there is no cluster network here";
    assert!(reading.warnings[0].starts_with(expected), "{reading:?}");
}

#[test]
fn the_annotations_of_another_directory_have_no_effect() {
    let marked = POD.replace(
        "{name: web}",
        "{name: web, annotations: {kubernetes.io/config.source: file, \
         probelet.io/config-file: /x.yaml, probelet.io/manifest-error: e}}",
    );
    let reading = reading("/m/web.yaml", &Ok(marked.as_str().into()), || "u".to_owned());
    assert_eq!(reading.warnings.len(), 3, "{reading:?}");
    let Content::Pods(pods) = reading.content else { panic!("{reading:?}") };
    assert!(pods[0].annotations.is_empty() && pods[0].origin.is_none());
}
