use super::*;

fn pod() -> Option<Schema> {
    Schema::of("v1", "Pod")
}

fn apply(
    applied: &Applied,
    live: &Value,
    config: Value,
    manager: &str,
) -> Result<(Value, Applied), ApplyError> {
    applied.apply(live, &config, manager, false, pod())
}

fn config(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": image, "env": [{"name": "X", "value": "1"}]}]},
    })
}

#[test]
fn a_manager_owns_what_it_applies() {
    let live = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "uid": "u"}});
    let (live, applied) = apply(&Applied::default(), &live, config("a:1"), "kubectl").unwrap();
    assert_eq!(live["metadata"], json!({"name": "web", "uid": "u", "labels": {"app": "web"}}));
    assert_eq!(live["spec"], config("a:1")["spec"]);
    assert_eq!(applied.managers().collect::<Vec<_>>(), ["kubectl"]);
    // The server sets a default, which stays.
    let mut live = live;
    live["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
    let mut next = config("a:2");
    next["spec"]["containers"][0].as_object_mut().unwrap().remove("env");
    next["metadata"]["labels"] = json!({"tier": "front"});
    let (live, applied) = apply(&applied, &live, next, "kubectl").unwrap();
    assert_eq!(
        live["spec"]["containers"],
        json!([{"name": "app", "image": "a:2", "imagePullPolicy": "Always"}])
    );
    assert_eq!(live["metadata"]["labels"], json!({"tier": "front"}));
    // It is stored as it is read.
    let stored = serde_json::to_string(&applied).unwrap();
    assert_eq!(serde_json::from_str::<Applied>(&stored).unwrap(), applied);
    assert!(!stored.contains("\"name\":\"web\"") && !stored.contains("apiVersion"));
}

#[test]
fn an_item_goes_as_a_whole_and_a_field_that_others_changed_stays() {
    let two = json!({"spec": {"hostname": "h", "containers": [{"name": "a", "image": "i"},
                                                              {"name": "b", "image": "i"}]}});
    let (mut live, applied) = apply(&Applied::default(), &json!({}), two, "m").unwrap();
    live["spec"]["containers"][1]["imagePullPolicy"] = json!("Always");
    live["spec"]["hostname"] = json!("changed");
    let one = json!({"spec": {"containers": [{"name": "a", "image": "i"}]}});
    let (live, _) = apply(&applied, &live, one, "m").unwrap();
    assert_eq!(
        live,
        json!({"spec": {"hostname": "changed", "containers": [{"name": "a", "image": "i"}]}})
    );
}

#[test]
fn two_managers_conflict_in_a_field_of_two_values() {
    let (live, applied) = apply(&Applied::default(), &json!({}), config("a:1"), "kubectl").unwrap();
    let error = apply(&applied, &live, config("a:2"), "helm").unwrap_err();
    let field = ".spec.containers[name=\"app\"].image";
    assert_eq!(error, ApplyError::Conflicts(vec![("kubectl".to_owned(), field.to_owned())]));
    let status = error.into_status("v1");
    assert_eq!(
        (status.code(), status.message()),
        (
            409,
            format!("Apply failed with 1 conflict: conflict with \"kubectl\" using v1: {field}")
                .as_str()
        )
    );
    assert_eq!(
        status.to_value()["details"]["causes"],
        json!([{
            "reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using v1",
            "field": field,
        }])
    );
    // The same value is owned by both, and stays when one of them stops applying it.
    let (live, applied) = apply(&applied, &live, config("a:1"), "helm").unwrap();
    let (live, applied) = apply(&applied, &live, json!({}), "helm").unwrap();
    assert_eq!(live["spec"], config("a:1")["spec"]);
    // With force the field has a new owner, so the old one conflicts.
    let (live, applied) = applied.apply(&live, &config("a:2"), "helm", true, pod()).unwrap();
    assert_eq!(live["spec"]["containers"][0]["image"], "a:2");
    assert!(apply(&applied, &live, config("a:1"), "kubectl").is_err());
    let mut without = config("a:2");
    without["spec"]["containers"][0].as_object_mut().unwrap().remove("image");
    let (live, _) = apply(&applied, &live, without, "kubectl").unwrap();
    assert_eq!(
        live["spec"]["containers"][0]["image"], "a:2",
        "it was not the old owner's any more"
    );
}

#[test]
fn a_value_that_the_live_object_has_is_no_conflict() {
    let (mut live, applied) =
        apply(&Applied::default(), &json!({}), config("a:1"), "kubectl").unwrap();
    live["spec"]["containers"][0]["image"] = json!("a:2");
    let (live, _) = apply(&applied, &live, config("a:2"), "helm").unwrap();
    assert_eq!(live["spec"]["containers"][0]["image"], "a:2");
}

#[test]
fn a_field_that_was_taken_is_not_the_old_owners() {
    let (live, applied) = apply(&Applied::default(), &json!({}), config("a:1"), "kubectl").unwrap();
    let (live, applied) = applied.apply(&live, &config("a:2"), "helm", true, pod()).unwrap();
    let (live, _) = apply(&applied, &live, config("a:3"), "helm").unwrap();
    assert_eq!(live["spec"]["containers"][0]["image"], "a:3");
}

#[test]
fn several_conflicts_are_listed() {
    let (live, applied) = apply(&Applied::default(), &json!({}), config("a:1"), "kubectl").unwrap();
    let mut other = config("a:2");
    other["metadata"]["labels"]["app"] = json!("x");
    let status = apply(&applied, &live, other, "helm").unwrap_err().into_status("v1");
    assert_eq!(
        status.message(),
        "Apply failed with 2 conflicts:\n- conflict with \"kubectl\" using v1: \
         .metadata.labels.app\n- conflict with \"kubectl\" using v1: \
         .spec.containers[name=\"app\"].image"
    );
}

#[test]
fn ports_of_two_protocols_are_two_items() {
    let ports = |list: Value| json!({"spec": {"containers": [{"name": "a", "ports": list}]}});
    let both = json!([{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]);
    let (live, applied) = apply(&Applied::default(), &json!({}), ports(both.clone()), "m").unwrap();
    assert_eq!(live["spec"]["containers"][0]["ports"], both);
    let (live, _) = apply(&applied, &live, ports(json!([{"containerPort": 53}])), "m").unwrap();
    assert_eq!(live["spec"]["containers"][0]["ports"], json!([{"containerPort": 53}]));
    let twice = json!([{"containerPort": 53}, {"containerPort": 53, "protocol": "TCP"}]);
    let error = apply(&Applied::default(), &json!({}), ports(twice), "m").unwrap_err();
    assert_eq!(error.into_status("v1").code(), 422);
}

#[test]
fn sets_and_atomic_lists() {
    let meta = |list: &[&str]| json!({"metadata": {"finalizers": list}});
    let (live, applied) = apply(&Applied::default(), &meta(&["s"]), meta(&["a"]), "m").unwrap();
    assert_eq!(live, meta(&["s", "a"]));
    let (live, applied) = apply(&applied, &live, meta(&["b"]), "n").unwrap();
    assert_eq!(live, meta(&["s", "a", "b"]));
    let (live, _) = apply(&applied, &live, json!({}), "m").unwrap();
    assert_eq!(live, meta(&["s", "b"]));
    let (live, applied) = apply(&Applied::default(), &json!({}), meta(&["a", "c"]), "m").unwrap();
    let (live, applied) = apply(&applied, &live, meta(&["c"]), "n").unwrap();
    let (live, _) = apply(&applied, &live, json!({}), "m").unwrap();
    assert_eq!(live, meta(&["c"]), "another manager applies it too");
    let command = |word: &str| json!({"spec": {"tolerations": [{"key": word}]}});
    let (live, applied) = apply(&Applied::default(), &json!({}), command("a"), "m").unwrap();
    assert!(apply(&applied, &live, command("b"), "n").is_err());
    let (live, _) = apply(&applied, &live, command("c"), "m").unwrap();
    assert_eq!(live, command("c"));
}

#[test]
fn what_is_applied_is_bounded() {
    let big = json!({"metadata": {"annotations": {"a": "x".repeat(70_000)}}});
    let code = |result: Result<(Value, Applied), ApplyError>| {
        result.map(|_| ()).map_err(|error| error.into_status("v1").code())
    };
    assert_eq!(code(apply(&Applied::default(), &json!({}), big, "m")), Err(413));
    assert_eq!(code(apply(&Applied::default(), &json!({}), json!([]), "m")), Err(400));
    assert_eq!(code(apply(&Applied::default(), &json!({}), deep(200), "m")), Err(413));
    let mut applied = Applied::default();
    for i in 0..16 {
        applied = apply(&applied, &json!({}), json!({"a": 1}), &format!("m{i}")).unwrap().1;
    }
    assert_eq!(code(apply(&applied, &json!({}), json!({"a": 1}), "last")), Err(413));
}

proptest! {
    #[test]
    fn an_apply_twice_is_once(live in object(), config in object()) {
        if let Ok((once, applied)) = apply(&Applied::default(), &live, config.clone(), "m") {
            let twice = apply(&applied, &once, config, "m").unwrap();
            prop_assert_eq!(twice, (once, applied));
        }
    }

    /// A manager that stops applying anything leaves what the other one applied.
    #[test]
    fn what_another_manager_applied_stays(first in object(), second in object()) {
        let Ok((alone, _)) = apply(&Applied::default(), &json!({}), first.clone(), "first") else {
            return Ok(());
        };
        let Ok((live, applied)) = apply(&Applied::default(), &json!({}), second, "second") else {
            return Ok(());
        };
        let Ok((live, applied)) = applied.apply(&live, &first, "first", true, pod()) else {
            return Ok(());
        };
        let (live, applied) = apply(&applied, &live, json!({}), "second").unwrap();
        // Applied again, it is what it would be alone.
        let (live, _) = apply(&applied, &live, first, "first").unwrap();
        prop_assert_eq!(live, alone);
    }
}
