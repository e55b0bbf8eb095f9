use super::*;

#[tokio::test]
async fn containerd_may_be_away() {
    let (_settings, registries) = watch::channel(Registries::default());
    let runtime = Containerd::new("/nonexistent/sock".into(), "overlayfs", registries).unwrap();
    let namespace = runtime.namespace("probelet").unwrap();
    for error in [
        namespace.records.get("x").await.err(),
        namespace.tasks.state("x").await.err(),
        namespace.images.get("x").await.err(),
        namespace.snapshots.exists("x").await.err(),
        runtime.ping().await.err(),
        runtime.namespaces().await.err(),
    ] {
        assert!(matches!(error, Some(CallError::Unavailable(_))), "{error:?}");
    }
    assert_eq!(runtime.failed_calls().values().sum::<u64>(), 6);
    assert!(runtime.namespace("no name\n").is_err());
}
