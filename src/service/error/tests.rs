use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::Incarnation;
use crate::domain::adopt::ContainerRef;
use crate::domain::pod_key::PodKey;
use probelet_runtime::{Refusal, Refused};

/// The size of the trailers as HTTP/2 counts them: names, values, 32 bytes each.
fn trailers(status: &Status) -> usize {
    let mut headers = http::HeaderMap::new();
    status.add_header(&mut headers).unwrap();
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// The sizes of a status are bounded in `service/error.rs`, so no other file makes one.
#[test]
fn no_other_file_makes_a_status() {
    let makes = |text: &str| {
        text.match_indices("Status::").any(|(at, name)| {
            let (before, after) = (&text[..at], &text[at + name.len()..]);
            let is_call = after.starts_with(char::is_lowercase) && !after.starts_with("from");
            !before.ends_with(char::is_alphanumeric) && is_call
        })
    };
    fn visit(folder: &Path, check: &mut impl FnMut(&Path, &str)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The Kubernetes API has a `Status` of its own.
            let other = ["tests", "kube_api"];
            if path.is_dir() {
                if path.file_name().is_some_and(|name| !other.iter().any(|other| name == *other)) {
                    visit(&path, check);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && path.file_name().is_some_and(|name| name != "tests.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                check(&path, text.split("#[cfg(test)]\nmod tests").next().unwrap());
            }
        }
    }
    let mut files = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, text| {
        if makes(text) {
            files.push(path.to_owned());
        }
    });
    assert!(files.len() == 1 && files[0].ends_with("src/service/error.rs"), "{files:?}");
}

#[test]
fn an_answer_with_many_errors_fits_into_the_trailers_that_clients_take() {
    let errors = |count: usize, text: &str| {
        let errors = (0..count).map(|n| SpecError::new(format!("objects[{n}].{text}"), text));
        Error::from(SpecErrors(errors.collect()))
    };
    for text in ["short", &"x".repeat(5000), &"é%\n".repeat(2000), "spec: Required value"] {
        for count in [1, 60, 1000] {
            let status = Status::from(errors(count, text));
            assert!(trailers(&status) < 8 << 10, "{count}, {}", trailers(&status));
            let bad = status.get_details_bad_request().unwrap().field_violations;
            let named = bad.iter().filter(|violation| !violation.field.is_empty()).count();
            assert!(named >= 1, "{text}");
            let more = bad.last().filter(|violation| violation.field.is_empty());
            let expected = (named < count).then(|| format!("and {} more", count - named));
            assert_eq!(more.map(|violation| violation.description.clone()), expected);
        }
    }
    let long = Error::NoManifest("é".repeat(100_000));
    assert!(trailers(&long.into()) < 8 << 10);
}

fn status(error: impl Into<Error>) -> (Code, String) {
    let status = Status::from(error.into());
    (status.code(), status.message().to_owned())
}

#[test]
fn each_error_of_the_service_has_its_code() {
    let text = String::new;
    let broken = || structs::from_json(serde_json::Value::Null).unwrap_err();
    let format = serde_json::from_str::<u8>("x").unwrap_err();
    let lost = || io::Error::from(io::ErrorKind::NotFound);
    let id = AttemptId::new(PodKey::in_default(text()), text(), Incarnation(0));
    let pull = |fault| Error::Pull { fault, text: text() };
    for (error, code) in [
        (field("a", "b").into(), Code::InvalidArgument),
        (ManifestError(vec![field("a", "b")]).into(), Code::InvalidArgument),
        (Error::CallerStream(Box::new(Status::cancelled(""))), Code::Cancelled),
        (Error::ContainerExists(PodKey::in_default(text())), Code::AlreadyExists),
        (Error::NoContainers, Code::Internal),
        (Error::NotRunning(text()), Code::FailedPrecondition),
        (
            Error::NoProbe { container: text(), pod: PodKey::in_default(text()) },
            Code::FailedPrecondition,
        ),
        (Error::NoManifest(text()), Code::FailedPrecondition),
        (broken().into(), Code::Internal),
        (Error::EvidenceFormat(format), Code::Internal),
        (Error::EvidenceObject(broken()), Code::Internal),
        (
            Error::NoPreviousInstance { container: text(), pod: PodKey::in_default(text()) },
            Code::NotFound,
        ),
        (
            Error::NoInput { container: text(), pod: PodKey::in_default(text()) },
            Code::FailedPrecondition,
        ),
        (
            Error::WaitingToStart {
                container: text(),
                pod: PodKey::in_default(text()),
                reason: text(),
            },
            Code::FailedPrecondition,
        ),
        (Error::ForeignOutput { id: text(), namespace: text(), output: text() }, Code::NotFound),
        (Error::NoLog { id, error: lost() }, Code::NotFound),
        (Error::UnreadableLog(lost()), Code::Internal),
        (Error::CommandTimeout(1.0), Code::DeadlineExceeded),
        (Error::CommandOutput(1), Code::ResourceExhausted),
        (Error::NoStart, Code::DeadlineExceeded),
        (Error::UnknownExit, Code::Unavailable),
        (pull(PullFault::Unreachable), Code::Unavailable),
        (pull(PullFault::Failed), Code::FailedPrecondition),
        (pull(PullFault::InvalidName), Code::FailedPrecondition),
        (Error::Recovering, Code::Unavailable),
        (Full::Total(1).into(), Code::ResourceExhausted),
    ] {
        let text = format!("{error:?}");
        assert_eq!(status(error).0, code, "{text}");
    }
}

#[test]
fn each_error_of_the_supervisor_has_its_code() {
    use SupervisorError as E;
    let pod = || "web".to_owned();
    let (container, reason) = (pod, pod);
    let foreign = ContainerRef { namespace: pod(), id: pod() };
    for (error, code) in [
        (E::NotFound(PodKey::in_default(pod())), Code::NotFound),
        (E::NoSuchContainer(foreign), Code::NotFound),
        (E::NoContainer { pod: PodKey::in_default(pod()), container: container() }, Code::NotFound),
        (E::AlreadyExists(PodKey::in_default(pod())), Code::AlreadyExists),
        (E::BeingDeleted(PodKey::in_default(pod())), Code::AlreadyExists),
        (E::Ambiguous { pod: PodKey::in_default(pod()), choice: pod() }, Code::InvalidArgument),
        (E::Invalid(SpecErrors(vec![field("a", "b")])), Code::InvalidArgument),
        (E::Differs { pod: PodKey::in_default(pod()), fields: vec![] }, Code::FailedPrecondition),
        (E::Expired(PodKey::in_default(pod()), "x"), Code::FailedPrecondition),
        (
            E::HasFinalizers { pod: PodKey::in_default(pod()), finalizers: vec![] },
            Code::FailedPrecondition,
        ),
        (
            E::Unsupervised { pod: PodKey::in_default(pod()), reason: reason() },
            Code::FailedPrecondition,
        ),
        (E::NotCreatedHere(PodKey::in_default(pod())), Code::FailedPrecondition),
        (
            E::DefinedByFile { pod: PodKey::in_default(pod()), file: pod() },
            Code::FailedPrecondition,
        ),
        (
            E::NotAdopted { pod: PodKey::in_default(pod()), reason: reason() },
            Code::FailedPrecondition,
        ),
        (
            E::NotRunning { pod: PodKey::in_default(pod()), container: container() },
            Code::FailedPrecondition,
        ),
        (
            E::NoProbe { pod: PodKey::in_default(pod()), container: container(), kind: "liveness" },
            Code::FailedPrecondition,
        ),
        (E::Exec(SessionError::Failed(pod())), Code::FailedPrecondition),
        (E::Exec(SessionError::Busy), Code::ResourceExhausted),
        (
            E::Timeout { pod: PodKey::in_default(pod()), condition: "stop", after: Duration::ZERO },
            Code::DeadlineExceeded,
        ),
        (E::Busy(PodKey::in_default(pod())), Code::ResourceExhausted),
    ] {
        let text = error.to_string();
        assert_eq!(status(error), (code, text));
    }
}

#[test]
fn each_error_of_the_runtime_has_its_code() {
    use CallError as C;
    use NodeError as E;
    let text = || "why".to_owned();
    let refused = Refused { refusal: Refusal::ShimDied, cause: text().into() };
    for (error, code) in [
        (E::Call(C::Failed(text().into())), Code::Internal),
        (E::Call(C::BadImage(text())), Code::InvalidArgument),
        (E::Call(C::NotFound(text().into())), Code::NotFound),
        (E::Call(C::NoImage(text())), Code::NotFound),
        (E::Call(C::AlreadyExists(text().into())), Code::AlreadyExists),
        (E::Invalid { field: "image".into(), reason: text() }, Code::InvalidArgument),
        (E::InUse(text()), Code::FailedPrecondition),
        (E::Network(text()), Code::FailedPrecondition),
        (E::start_failed(text()), Code::FailedPrecondition),
        (E::Config(text()), Code::FailedPrecondition),
        (E::Call(C::Unavailable(text().into())), Code::Unavailable),
        (E::Call(C::Timeout { call: "x", seconds: 1 }), Code::DeadlineExceeded),
        (E::Call(C::Refused(refused)), Code::Internal),
        (E::Internal(text()), Code::Internal),
    ] {
        let shown = error.to_string();
        assert_eq!(status(SupervisorError::from(error)), (code, shown));
    }
}

#[test]
fn an_error_has_its_cause_as_source() {
    let lost = io::Error::other("disk");
    let id = AttemptId::new(PodKey::in_default("p"), "c", Incarnation(1));
    let error = Error::NoLog { id, error: lost };
    assert_eq!(error.source().unwrap().to_string(), "disk");
    assert!(Error::from(Full::Total(1)).source().is_some());
}
