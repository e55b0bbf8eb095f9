use proptest::prelude::*;

use super::*;

const KUBECTL: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;\
                       v=v1beta1;g=meta.k8s.io,application/json";
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                         application/json;g=apidiscovery.k8s.io;v=v2beta1;as=\
                         APIGroupDiscoveryList,application/json";
const NO_PEER: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;\
                       profile=nopeer,application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf,application/json";

fn form(accept: &str, endpoint: Endpoint) -> Result<Form, u16> {
    let answer = Answer::negotiate(Some(accept), endpoint);
    answer.map(Answer::form).map_err(|status| status.code())
}

#[test]
fn clients_get_the_form_that_they_ask_for() {
    use Endpoint::{Discovery, Document, List, Object, Watch};
    let table = Ok(Form::Table(MetaVersion::V1));
    let partial = Ok(Form::PartialMetadata(MetaVersion::V1));
    let rows = [
        (KUBECTL, List, table),
        (KUBECTL, Object, table),
        (KUBECTL, Watch, table),
        (KUBECTL, Discovery, Ok(Form::Plain)),
        (DISCOVERY, Discovery, Ok(Form::Aggregated(DiscoveryVersion::V2))),
        (NO_PEER, Discovery, Ok(Form::Aggregated(DiscoveryVersion::V2))),
        (
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            Discovery,
            Ok(Form::Aggregated(DiscoveryVersion::V2Beta1)),
        ),
        (DISCOVERY, Document, Ok(Form::Plain)),
        (PROTOBUF, List, Ok(Form::Plain)),
        ("application/vnd.kubernetes.protobuf, */*", List, Ok(Form::Plain)),
        ("application/vnd.kubernetes.protobuf", List, Err(406)),
        ("", List, Ok(Form::Plain)),
        ("*/*", Watch, Ok(Form::Plain)),
        ("application/*", Object, Ok(Form::Plain)),
        ("text/html", Object, Err(406)),
        ("application/json;stream=watch", Watch, Ok(Form::Plain)),
        ("application/json;stream=watch", List, Err(406)),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", List, partial),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Watch, partial),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", List, Err(406)),
        ("application/json;as=Table;g=meta.k8s.io;v=v9", List, Err(406)),
        ("application/json;as=Shelf;g=meta.k8s.io;v=v1", List, Err(406)),
        ("application/json;q=0", List, Err(406)),
        ("application/json;q=0.5, application/json;as=Table;g=meta.k8s.io;v=v1;q=0.9", List, table),
        ("application/json; charset=utf-8", Object, Ok(Form::Plain)),
    ];
    for (accept, endpoint, expected) in rows {
        assert_eq!(form(accept, endpoint), expected, "{accept} {endpoint:?}");
    }
    assert_eq!(form(&"a/b,".repeat(9_000), List), Err(400));
    assert_eq!(Answer::negotiate(None, List).map(Answer::form), Ok(Form::Plain));
}

#[test]
fn the_content_type_names_the_discovery() {
    let answer = Answer::negotiate(Some(DISCOVERY), Endpoint::Discovery).unwrap();
    let expected = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    assert_eq!(answer.content_type(), expected);
    let answer = Answer::negotiate(Some("application/json;pretty=1"), Endpoint::Object).unwrap();
    assert!(answer.is_pretty());
    assert_eq!(answer.content_type(), "application/json");
}

#[test]
fn bodies_and_patches() {
    let rows = [
        (None, Ok(BodyType::Json)),
        (Some(""), Ok(BodyType::Json)),
        (Some("application/json"), Ok(BodyType::Json)),
        (Some("Application/JSON; charset=utf-8"), Ok(BodyType::Json)),
        (Some("application/yaml"), Ok(BodyType::Yaml)),
        (Some("application/vnd.kubernetes.protobuf"), Ok(BodyType::Protobuf)),
        (Some("text/plain"), Err(415)),
    ];
    for (header, expected) in rows {
        assert_eq!(body_type(header).map_err(|status| status.code()), expected, "{header:?}");
    }
    let rows = [
        (Some("application/json-patch+json"), Ok(PatchType::Json)),
        (Some("application/merge-patch+json"), Ok(PatchType::Merge)),
        (Some("application/strategic-merge-patch+json"), Ok(PatchType::Strategic)),
        (Some("application/apply-patch+yaml; charset=utf-8"), Ok(PatchType::Apply)),
        (Some("application/json"), Err(415)),
        (None, Err(415)),
    ];
    for (header, expected) in rows {
        assert_eq!(patch_type(header).map_err(|status| status.code()), expected, "{header:?}");
    }
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(text in "(application/json|as=|Table|;|,|q=|0\\.|[a-z*/]|\\PC){0,20}") {
        let _ = Answer::negotiate(Some(&text), Endpoint::List);
        let _ = (body_type(Some(&text)), patch_type(Some(&text)));
    }
}

#[test]
fn kubectl_asks_for_openapi_v2_as_protobuf() {
    for accept in [
        OPENAPI_PROTOBUF,
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf, application/json;q=0.5",
    ] {
        assert!(is_openapi_protobuf(Some(accept)), "{accept}");
    }
    for accept in [None, Some("*/*"), Some("application/json"), Some("text/plain")] {
        assert!(!is_openapi_protobuf(accept), "{accept:?}");
    }
}
