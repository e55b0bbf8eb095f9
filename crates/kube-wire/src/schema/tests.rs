use super::*;

#[test]
fn the_table_is_whole() {
    assert!(MESSAGES.is_sorted_by(|a, b| a.name < b.name));
    for message in MESSAGES {
        assert!(message.fields.is_sorted_by(|a, b| a.number < b.number), "{}", message.name);
        for field in message.fields {
            if let Type::Message(name) = field.kind {
                assert!(Schema::named(name).is_some(), "{}: {name}", message.name);
            }
            let item = field.schema();
            if let (Merge::Key(key), Some(item)) = (field.merge, item) {
                assert!(item.by_name(key).is_some(), "{}: {key}", message.name);
            }
        }
    }
    for (group, version, kind, message) in ROOTS {
        let api_version = [group, version].map(|it| *it).join("/");
        let found = Schema::of(api_version.trim_start_matches('/'), kind);
        assert_eq!(found.map(|it| it.name()), Some(*message));
    }
}

#[test]
fn fields_are_found_by_number_and_by_name() {
    let pod = Schema::of("v1", "Pod").unwrap();
    let spec = pod.by_name("spec").unwrap().schema().unwrap();
    assert_eq!(spec.by_name("containers").unwrap().merge, Merge::Key("name"));
    assert_eq!(spec.by_number(2).unwrap().name, "containers");
    assert_eq!(spec.by_name("tolerations").unwrap().merge, Merge::Replace);
    let container = spec.by_name("containers").unwrap().schema().unwrap();
    let probe = container.by_name("livenessProbe").unwrap().schema().unwrap();
    assert!(probe.by_name("httpGet").is_some(), "of the inlined handler");
    let ephemeral = spec.by_name("ephemeralContainers").unwrap().schema().unwrap();
    assert_eq!(ephemeral.by_name("env").unwrap().merge, Merge::Key("name"));
    assert!(ephemeral.by_name("").is_none() && ephemeral.by_number(99).is_none());
    assert_eq!(Schema::of("apps/v1", "Pod"), None);
    assert_eq!(Schema::of("apps/v1", "DeleteOptions"), Schema::named("meta.v1.DeleteOptions"));
    assert!(API_VERSION.starts_with("0.36"));
}
