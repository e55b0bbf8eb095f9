use super::*;

#[test]
fn only_metadata_is_left() {
    let pod = json!({"kind": "Pod", "metadata": {"name": "web"}, "spec": {}, "status": {}});
    let partial = json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "web"},
    });
    assert_eq!(partial_object(&pod, MetaVersion::V1), partial);
    let list = json!({"kind": "PodList", "metadata": {"resourceVersion": "5"}, "items": [pod]});
    assert_eq!(
        partial_list(&list, MetaVersion::V1),
        json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": "5"}, "items": [partial],
        })
    );
    assert_eq!(partial_object(&json!(5), MetaVersion::V1Beta1)["metadata"], json!({}));
}
