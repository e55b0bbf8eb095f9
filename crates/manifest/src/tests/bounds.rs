use super::*;

const POD: &str = "- apiVersion: v1
  kind: Pod
  metadata: {name: web-NUMBER}
  spec:
    containers:
    - {name: app, image: registry.example/web:1, ports: [{containerPort: 80, hostPort: PORT}]}
";

fn pods(count: usize) -> String {
    let pod = |number: usize| {
        POD.replace("NUMBER", &number.to_string())
            .replace("PORT", &(number % 60_000 + 1).to_string())
    };
    "kind: List\nitems:\n".to_owned() + &(0..count).map(pod).collect::<String>()
}

fn sources(text: String) -> Sources {
    Sources::read(vec![File { name: "x.yaml".to_owned(), text }])
}

fn errors(text: String) -> Vec<String> {
    let findings = sources(text).findings().into_iter();
    findings.filter(|it| it.severity == Severity::Error).map(|finding| finding.text()).collect()
}

fn first(text: String) -> String {
    errors(text).into_iter().next().unwrap_or_default()
}

#[test]
fn a_long_list_is_read_and_an_error_has_its_position() {
    let text = pods(1000).replace("name: web-999", "nam: web-999");
    let findings = sources(text).findings();
    let error = findings.iter().find(|it| it.severity == Severity::Error).unwrap();
    assert_eq!(format!("{}: {}", error.position, error.field), "x.yaml:5999:14: metadata.nam");
}

#[test]
fn every_bound_has_its_error() {
    let many = |text: &str, count: usize| text.repeat(count);
    for (what, text, expected) in [
        ("documents", many("---\na: b\n", 5000), "there are more than 4096 objects"),
        ("empty documents", many("---\n", 100_000), "there are more than 4096 objects"),
        ("items", pods(20_000), "a mapping or a list has more than 4096 entries"),
        (
            "items of lists of lists",
            "kind: List\nitems:\n".to_owned()
                + &many(&format!("- {{kind: List, items: [{}]}}\n", many("{a: b},", 100)), 100),
            "there are more than 4096 objects",
        ),
        ("keys", (0..5000).map(|n| format!("k{n}: v\n")).collect(), "more than 4096 entries"),
        ("values", many(&format!("- [{}]\n", many("x,", 4000)), 200), "more than 500000 values"),
        ("a key", format!("a:\n  ? {}\n  : {{b: c}}\n", many("k", 600)), "more than 512 bytes"),
        ("a JSON key", format!("{{\"{}\": 1}}", many("k", 600)), "more than 512 bytes"),
        (
            "JSON values",
            format!("{{\"a\": [{}0]}}", many("0,", 600_000)),
            "more than 500000 values",
        ),
        ("JSON items", format!("{{\"a\": [{}0]}}", many("0,", 5000)), "more than 4096 entries"),
        ("bytes", many("# more\n", 3_000_000), "larger than 16 MiB"),
        (
            "bytes of aliases",
            format!("a: &a {}\nb: [{}]\n", many("x", 100_000), many("*a,", 100)),
            "aliases and tags stand for more than 4 MiB",
        ),
        (
            "bytes of tags",
            format!("%TAG !e! tag:{}\n---\n[{}]\n", many("x", 100_000), many("!e!a b,", 100)),
            "aliases and tags stand for more than 4 MiB",
        ),
        (
            "an alias of itself",
            "a: &a [b, *a]\n".to_owned(),
            "an alias stands for what it is part of",
        ),
        (
            "depth by aliases",
            (1..80).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
                text + &format!("a{n}: &a{n} [[*a{}]]\n", n - 1)
            }),
            "nested more than 100 deep",
        ),
    ] {
        let found = first(text);
        assert!(found.contains(expected), "{what}: {found}");
    }
}

#[test]
fn objects_of_the_api_have_the_same_bounds() {
    let one = |value: Value| {
        let batch = batch(vec![value], String::new);
        batch.errors.into_iter().map(|(_, error)| error.to_string()).next().unwrap_or_default()
    };
    let deep = (0..200).fold(Value::Null, |below, _| serde_json::json!({"a": [below]}));
    assert!(one(deep).ends_with("nested more than 100 deep"));
    let wide = serde_json::json!({"spec": {"containers": vec![Value::Null; 5000]}});
    let error = "spec.containers: Too many: a mapping or a list has more than 4096 entries";
    assert_eq!(one(wide), error);
    let batch = batch(vec![serde_json::json!({"kind": "Pod"}); 100_000], String::new);
    assert_eq!(batch.errors.last().unwrap().0, crate::bounds::OBJECTS);
    assert_eq!(batch.errors.len(), 1);
}

#[test]
fn copies_of_one_object_are_bounded() {
    let map = |size: usize| {
        format!(
            "kind: ConfigMap\napiVersion: v1\nmetadata: {{name: m}}\ndata: {{k: '{}'}}\n---\n",
            "x".repeat(size)
        )
    };
    let pod = |fields: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    \
             image: i\n{fields}"
        )
    };
    let from = "    - {configMapRef: {name: m}}\n";
    for (given, ok) in [(10, true), (300, false)] {
        let env = format!("    envFrom:\n{}", from.repeat(given));
        let found = first(map(100_000) + &pod(&env));
        assert_eq!(found.is_empty(), ok, "{found}");
        assert!(ok || found.contains("take more than 16 MiB from their ConfigMaps"), "{found}");
    }
    let sources = "{configMap: {name: m}},".repeat(300);
    let volume = format!("  volumes:\n  - {{name: v, projected: {{sources: [{sources}]}}}}\n");
    let found = errors(map(100_000) + &pod(&volume));
    let expected = "take more than 16 MiB from their ConfigMaps and Secrets";
    assert!(found.iter().any(|error| error.ends_with(expected)), "{found:?}");
}

#[test]
fn many_errors_are_summed_up() {
    let error = |n: usize| SpecError::new(format!("spec.a[{n}]"), "x".repeat(100_000));
    let all = ManifestError((0..1000).map(error).collect()).to_string();
    assert!(all.len() < 2048 && all.starts_with("spec.a[0]: xxx"), "{}", all.len());
    assert!(all.ends_with("; and 999 more"), "{}", &all[all.len() - 20..]);
    let few = ManifestError(vec![SpecError::new("a", "b"), SpecError::new("c", "d")]);
    assert_eq!(few.to_string(), "a: b; c: d");
}

#[test]
fn an_object_with_an_error_is_not_reported_as_missing_too() {
    let map = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: m}\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    \
               image: i\n    envFrom: [{configMapRef: {name: m}}]\n";
    let item = map.replace('\n', ", ");
    for (objects, expected) in [
        (format!("{map}daten: {{}}\n"), "daten: unknown field"),
        (format!("kind: ConfigMapList\nitems: {{a: {{{item}}}}}\n"), "kind: Unsupported value"),
        ("kind: ConfigMap\napiVersion: v1\nmetadata: {}\n".to_owned(), "metadata.name: Required"),
    ] {
        let found = errors(format!("{objects}---\n{pod}"));
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
    }
    let other = format!("{}---\n{pod}", map.replace("name: m", "name: n"));
    assert!(first(other).contains("Not found"));
    let typed =
        "kind: ConfigMapList\napiVersion: v1\nitems: [{metadata: {name: m}, data: {a: b}}]\n";
    assert_eq!(first(format!("{typed}---\n{pod}")), "");
}
