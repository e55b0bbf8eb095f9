use serde_json::json;

use super::*;

fn pods() -> GroupResource {
    GroupResource::new("", "pods")
}

#[test]
fn texts_codes_and_reasons_are_kubernetes_own() {
    let deployments = GroupResource::new("apps", "deployments");
    let rows = [
        (Status::not_found(&pods(), "x"), 404, "NotFound", "pods \"x\" not found"),
        (Status::not_found(&deployments, "x"), 404, "NotFound", "deployments.apps \"x\" not found"),
        (
            protocol::path_not_found(),
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (Status::already_exists(&pods(), "x"), 409, "AlreadyExists", "pods \"x\" already exists"),
        (
            Status::modified(&pods(), "x"),
            409,
            "Conflict",
            "Operation cannot be fulfilled on pods \"x\": the object has been modified; please \
             apply your changes to the latest version and try again",
        ),
        (Status::bad_request("no"), 400, "BadRequest", "no"),
        (Status::unauthorized(), 401, "Unauthorized", "Unauthorized"),
        (Status::forbidden(&pods(), "x", "no"), 403, "Forbidden", "pods \"x\" is forbidden: no"),
        (Status::forbidden(&pods(), "", "no"), 403, "Forbidden", "pods is forbidden: no"),
        (
            Status::forbidden(&GroupResource::new("", ""), "", "no"),
            403,
            "Forbidden",
            "forbidden: no",
        ),
        (
            Status::method_not_supported(&pods(), "create"),
            405,
            "MethodNotAllowed",
            "create is not supported on resources of kind \"pods\"",
        ),
        (
            protocol::method_not_allowed(),
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
        (
            protocol::not_acceptable(&["application/json", "application/yaml"]),
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml",
        ),
        (protocol::expired(5, 9), 410, "Expired", "too old resource version: 5 (9)"),
        (Status::gone("it was"), 410, "Gone", "it was"),
        (
            protocol::too_large("limit is 3145728"),
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
        ),
        (
            protocol::unsupported_media_type(&["application/json"]),
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: \
             application/json",
        ),
        (
            Status::unprocessable("why"),
            422,
            "Invalid",
            "the server rejected our request due to an error in our request: why",
        ),
        (Status::too_many_requests("later", 1), 429, "TooManyRequests", "later"),
        (Status::internal("oh"), 500, "InternalError", "Internal error occurred: oh"),
        (Status::unavailable("away", 5), 503, "ServiceUnavailable", "away"),
        (Status::timeout("slow", 1), 504, "Timeout", "Timeout: slow"),
        (
            protocol::version_too_large(9, 5),
            504,
            "Timeout",
            "Timeout: Too large resource version: 9, current: 5",
        ),
    ];
    for (status, code, reason, message) in rows {
        let body = status.to_value();
        assert_eq!((status.code(), status.to_string().as_str()), (code, message));
        assert_eq!(
            (&body["code"], &body["reason"], &body["message"]),
            (&json!(code), &json!(reason), &json!(message))
        );
        assert_eq!((&body["kind"], &body["status"]), (&json!("Status"), &json!("Failure")));
    }
}

#[test]
fn a_body_has_the_details_that_clients_read() {
    assert_eq!(
        Status::not_found(&GroupResource::new("apps", "deployments"), "web").to_value(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "deployments.apps \"web\" not found", "reason": "NotFound", "code": 404,
            "details": {"name": "web", "group": "apps", "kind": "deployments"},
        })
    );
    assert_eq!(
        deleted(&pods(), "web", "u")["details"],
        json!({"name": "web", "kind": "pods", "uid": "u"})
    );
    let busy = Status::too_many_requests("later", 7);
    assert_eq!(busy.retry_after_seconds(), Some(7));
    assert_eq!(busy.to_value()["details"], json!({"retryAfterSeconds": 7}));
    assert_eq!(Status::bad_request("no").to_value().get("details"), None);
}

#[test]
fn an_invalid_object_lists_its_fields_as_kubectl_prints_them() {
    let kind = GroupResource::new("", "Pod");
    let errors = [
        FieldError::new(FieldErrorKind::Required, "spec.containers", ""),
        FieldError::invalid("metadata.name", "X y", "must be lower case"),
        FieldError::not_supported("spec.restartPolicy", "Sometimes", &["Always", "Never"]),
        FieldError::forbidden("spec", "pod updates may not change fields"),
        FieldError::invalid("spec.priority", 5, ""),
        FieldError::new(FieldErrorKind::TooLong, "data", "may not be more than 1048576 bytes"),
        FieldError::new(FieldErrorKind::Duplicate, "spec.containers[1].name", "").with_value("a"),
    ];
    let bodies: Vec<_> = errors.iter().map(FieldError::body).collect();
    assert_eq!(
        bodies,
        [
            "Required value",
            "Invalid value: \"X y\": must be lower case",
            "Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\"",
            "Forbidden: pod updates may not change fields",
            "Invalid value: 5",
            "Too long: may not be more than 1048576 bytes",
            "Duplicate value: \"a\"",
        ]
    );
    // A value that is missing, forbidden or long is not printed.
    let hidden = FieldError::new(FieldErrorKind::Required, "a", "why").with_value(5);
    assert_eq!(hidden.to_string(), "a: Required value: why");
    let [first, second, ..] = &errors;
    let one = Status::invalid(&kind, "x", std::slice::from_ref(first));
    assert_eq!(one.to_string(), "Pod \"x\" is invalid: spec.containers: Required value");
    assert_eq!(
        one.to_value()["details"],
        json!({"name": "x", "kind": "Pod", "causes": [{
            "reason": "FieldValueRequired", "message": "Required value",
            "field": "spec.containers",
        }]})
    );
    let two = Status::invalid(&kind, "x", &[first.clone(), second.clone(), first.clone()]);
    assert_eq!(
        two.to_string(),
        "Pod \"x\" is invalid: [spec.containers: Required value, metadata.name: Invalid value: \
         \"X y\": must be lower case]"
    );
}

#[test]
fn texts_of_other_layers_keep_their_kind() {
    let rows = [
        ("Required value", "Required value", "FieldValueRequired"),
        ("Required value: must be v1", "Required value: must be v1", "FieldValueRequired"),
        ("Invalid value: 3: must be 1", "Invalid value: 3: must be 1", "FieldValueInvalid"),
        (
            "Unsupported value: \"x\": supported values: \"y\"",
            "Unsupported value: \"x\": supported values: \"y\"",
            "FieldValueNotSupported",
        ),
        ("not supported yet", "Forbidden: not supported yet", "FieldValueForbidden"),
        ("Invalid values", "Forbidden: Invalid values", "FieldValueForbidden"),
    ];
    for (text, body, reason) in rows {
        let error = FieldError::of_text("spec.x", text);
        assert_eq!(error.to_string(), format!("spec.x: {body}"));
        assert_eq!(json!(error.cause())["reason"], reason);
    }
}
