use proptest::prelude::*;

use super::*;

fn query(text: &str) -> Query {
    Query::parse(text).unwrap()
}

#[test]
fn parameters_are_decoded_and_may_repeat() {
    let query = query("command=sh&command=-c&command=echo+a%2Bb%26c&empty=&bare&&x=%C3%A9");
    assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c", "echo a+b&c"]);
    assert_eq!((query.first("empty"), query.text("empty")), (Some(""), None));
    assert_eq!((query.first("bare"), query.first("none")), (Some(""), None));
    assert_eq!(query.first("x"), Some("é"));
}

#[test]
fn booleans_are_read_as_kubernetes_reads_them() {
    let rows = [
        ("w=1", Some(true)),
        ("w=true", Some(true)),
        ("w=", Some(true)),
        ("w", Some(true)),
        ("w=yes", Some(true)),
        ("w=0", Some(false)),
        ("w=False", Some(false)),
        ("v=1", None),
    ];
    for (text, expected) in rows {
        assert_eq!(query(text).flag("w"), expected, "{text}");
    }
}

#[test]
fn an_error_names_the_parameter() {
    let text = |error: ParameterError| error.to_string();
    assert_eq!(
        query("limit=abc").integer("limit").map_err(text),
        Err("query parameter \"limit\": invalid value \"abc\": must be an integer".to_owned())
    );
    assert_eq!(query("limit=-5").integer("limit"), Ok(Some(-5)));
    assert_eq!(query("limit=").integer("limit"), Ok(None));
    for broken in ["a=%", "a=%4", "a=%zz", "a=%ff"] {
        let error = Query::parse(broken).map_err(text);
        let expected = "query parameter \"a\": invalid URL escape or not UTF-8";
        assert_eq!(error, Err(expected.to_owned()), "{broken}");
    }
    assert_eq!(Query::parse(&"a&".repeat(5_000)), Err(ParameterError::TooLarge));
    assert_eq!(Query::parse(&"a".repeat(300_000)), Err(ParameterError::TooLarge));
    assert_eq!(Status::from(ParameterError::TooLarge).code(), 400);
}

#[test]
fn durations_are_gos() {
    let rows = [
        ("32s", Some(32_000)),
        ("1m30s", Some(90_000)),
        ("1.5s", Some(1_500)),
        ("250ms", Some(250)),
        ("0", Some(0)),
        ("1h", Some(3_600_000)),
        ("5", None),
        ("s", None),
        ("-1s", None),
        ("1d", None),
        ("9999999999999h", None),
    ];
    for (text, expected) in rows {
        let found = query(&format!("t={text}")).duration("t").ok().flatten();
        assert_eq!(found, expected.map(Duration::from_millis), "{text}");
    }
}

proptest! {
    #[test]
    fn no_query_makes_it_panic(text in "([a-z]{0,3}|[%&=+.0-9a-fsmhé]|\\PC){0,60}") {
        if let Ok(query) = Query::parse(&text) {
            let _ = (query.integer("a"), query.flag("a"), query.duration("a"));
        }
    }

    #[test]
    fn no_duration_makes_it_panic(text in "[0-9.nuµmsh]{0,40}") {
        let _ = go_duration(&text);
    }

    #[test]
    fn what_is_encoded_is_decoded(bytes in "\\PC{0,20}") {
        let encoded: String = bytes.bytes().map(|byte| format!("%{byte:02x}")).collect();
        prop_assert_eq!(decode(&encoded, true), Some(bytes));
    }
}
