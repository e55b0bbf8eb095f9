use prost_types::Value;

use super::*;
use crate::pb::probe::Handler as Given;

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn value(kind: Kind) -> Option<Value> {
    Some(Value { kind: Some(kind) })
}

fn probe(path: &str, given: pb::Probe) -> Result<ProbeSpec, SpecError> {
    let mut found = Findings::default();
    let read = super::probe(path, given, &mut found);
    found.end(()).map(|()| read.unwrap()).map_err(|errors| errors.0.into_iter().next().unwrap())
}

fn read(handler: Given) -> Result<ProbeSpec, SpecError> {
    probe("livenessProbe", pb::Probe { handler: Some(handler), ..pb::Probe::default() })
}

/// The flags and the API have the same bound, which is defined in two crates.
#[test]
fn the_longest_duration_is_that_of_the_flags() {
    assert_eq!(probelet_text::duration::LONGEST, MAX_LENGTH);
}

#[test]
fn each_handler_arrives_whole() {
    let exec = pb::ExecAction { command: vec!["cat".into(), "/x".into()] };
    let expected = Handler::Exec(Exec { command: vec!["cat".into(), "/x".into()] });
    assert_eq!(read(Given::Exec(exec)).unwrap(), ProbeSpec::new(expected));

    let port = value(Kind::StringValue("rpc".into()));
    let grpc = pb::GrpcAction { port, service: "db".into(), tls: true };
    let port = PortRef::Name("rpc".into());
    let expected = Handler::Grpc(Grpc { port, service: "db".into(), tls: true, host: None });
    assert_eq!(read(Given::Grpc(grpc)).unwrap(), ProbeSpec::new(expected));

    let port = value(Kind::NumberValue(8443.0));
    let get = pb::HttpGetAction { port, scheme: "HTTPS".into(), ..pb::HttpGetAction::default() };
    let Handler::HttpGet(http) = read(Given::HttpGet(get)).unwrap().handler else {
        panic!("not http")
    };
    assert_eq!((http.scheme, http.port), (Scheme::Https, PortRef::Number(8443)));
}

#[test]
fn a_startup_period_is_taken_and_stays_unset_without_one() {
    let handler = Some(Given::Url("tcp://:1".into()));
    let mut given = pb::Probe { handler, ..pb::Probe::default() };
    assert_eq!(probe("p", given.clone()).unwrap().startup_period, None);
    given.startup_period = seconds(2);
    assert_eq!(probe("p", given).unwrap().startup_period, Some(Duration::from_secs(2)));
}

#[test]
fn each_choice_on_failure_arrives_and_another_is_refused() {
    let read = |on_failure| {
        let handler = Some(Given::Url("tcp://:1".into()));
        probe("p", pb::Probe { handler, on_failure, ..pb::Probe::default() })
    };
    let choices = [None, Some(OnFailure::Restart), Some(OnFailure::Stop), Some(OnFailure::Notify)];
    for (number, choice) in (0..).zip(choices) {
        assert_eq!(read(number).unwrap().on_failure, choice);
    }
    assert_eq!(read(4).unwrap_err().field, "p.onFailure");
}

#[test]
fn what_the_domain_cannot_hold_is_refused_by_its_field() {
    let get = |scheme: &str| {
        let port = value(Kind::NumberValue(1.0));
        Given::HttpGet(pb::HttpGetAction { port, scheme: scheme.into(), ..Default::default() })
    };
    let grpc = |port| Given::Grpc(pb::GrpcAction { port, ..Default::default() });
    let cases = [
        (get("FTP"), "livenessProbe.httpGet.scheme"),
        (grpc(None), "livenessProbe.grpc.port"),
        (grpc(value(Kind::NumberValue(65536.0))), "livenessProbe.grpc.port"),
        (grpc(value(Kind::BoolValue(true))), "livenessProbe.grpc.port"),
        (Given::Url("exec:".into()), "livenessProbe.url"),
    ];
    for (handler, field) in cases {
        assert_eq!(read(handler).unwrap_err().field, field);
    }
    let given = pb::Probe {
        handler: Some(Given::Url("tcp://:1".into())),
        startup_period: seconds(-1),
        ..pb::Probe::default()
    };
    let mut found = Findings::default();
    probes((None, Some(given), None), &mut found);
    let errors = found.end(()).unwrap_err();
    assert_eq!(errors.0[0].field, "readinessProbe.startupPeriod");
}

#[test]
fn a_length_has_bounds() {
    let length =
        |seconds| duration("gracePeriod", Some(prost_types::Duration { seconds, nanos: 0 }));
    assert_eq!(length(i32::MAX.into()), Ok(Some(Duration::from_secs(i32::MAX as u64))));
    for (seconds, why) in [
        (-1, "must be greater than or equal to 0"),
        (i64::from(i32::MAX) + 1, "must be no longer than 2147483647 s"),
        (i64::MAX, "must be no longer than 2147483647 s"),
    ] {
        let error = length(seconds).unwrap_err();
        assert_eq!(
            (error.field.as_str(), error.reason),
            ("gracePeriod", format!("Invalid value: {why}"))
        );
    }
}
