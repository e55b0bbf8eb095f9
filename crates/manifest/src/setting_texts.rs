//! The annotations and labels that a user may set, for `probelet-annotations(7)` and `probelet explain`.

/// A setting: its key without `probelet.io/`, an example of its value, and what it does.
pub struct Annotation {
    /// The key without `probelet.io/`.
    pub key: &'static str,
    /// A valid value.
    pub example: &'static str,
    /// What it does.
    pub text: &'static str,
}

const fn new(key: &'static str, example: &'static str, text: &'static str) -> Annotation {
    Annotation { key, example, text }
}

/// Settings of a pod as a whole.
pub const OF_POD: [Annotation; 3] = [
    new("network", "none", "No CNI plugin connects the pod: it has only its loopback."),
    new(
        "logMaxSize",
        "20Mi",
        "The size at which the logs of all containers of the pod are rotated, from 64Ki to 1Ti. \
         By default that of `serve --log-max-size`.",
    ),
    new(
        "logMaxFiles",
        "3",
        "The number of files of the log of an attempt, for all containers of the pod, from 2 to \
         10000. By default that of `serve --log-max-files`.",
    ),
];

/// Settings of one container; `CONTAINER` is its name.
pub const OF_CONTAINER: [Annotation; 10] = [
    new(
        "CONTAINER.maxRestarts",
        "5",
        "The number of restarts in a row after which the container stays terminated. By default \
         there is no limit.",
    ),
    new(
        "CONTAINER.backoffBaseMilliseconds",
        "1000",
        "The first back-off before a restart. 10000 by default.",
    ),
    new(
        "CONTAINER.backoffCapMilliseconds",
        "60000",
        "The longest back-off before a restart. 300000 by default.",
    ),
    new(
        "CONTAINER.backoffResetMilliseconds",
        "600000",
        "The time for which the container has to run until the back-off begins again. 600000 by \
         default.",
    ),
    new(
        "CONTAINER.dependents",
        "other",
        "The containers, separated by commas, that restart with this one.",
    ),
    new(
        "CONTAINER.devices",
        "/dev/null",
        "Devices of the host, as `--device` of Docker has them: HOST[:CONTAINER[:rwm]], separated \
         by commas.",
    ),
    new(
        "CONTAINER.evidenceSignal",
        "SIGQUIT",
        "A signal that is sent before the evidence of a probe's kill is captured, so that the \
         process writes to its log. It may end a process that has no handler for it.",
    ),
    new(
        "CONTAINER.evidenceExec",
        "jstack 1",
        "A command in the container whose output is stored as evidence before a probe's kill. The \
         stop waits for it for up to 5 s.",
    ),
    new("CONTAINER.logMaxSize", "20Mi", "As `logMaxSize` of the pod, for this container."),
    new("CONTAINER.logMaxFiles", "3", "As `logMaxFiles` of the pod, for this container."),
];

/// Settings of one probe; `PROBE` is `liveness`, `readiness` or `startup`.
pub const OF_PROBE: [Annotation; 7] = [
    new("CONTAINER.PROBE.periodMilliseconds", "500", "The period, from 100."),
    new("CONTAINER.PROBE.timeoutMilliseconds", "300", "The timeout, from 1."),
    new("CONTAINER.PROBE.initialDelayMilliseconds", "1500", "The delay of the first probe."),
    new(
        "CONTAINER.PROBE.startupPeriodMilliseconds",
        "100",
        "A faster period of a startup probe until its first success. Failures in it do not count.",
    ),
    new(
        "CONTAINER.PROBE.grpcTLS",
        "true",
        "The gRPC probe uses TLS, and does not verify the certificate.",
    ),
    new(
        "CONTAINER.PROBE.onFailure",
        "notify",
        "What a failed liveness or startup probe does: `restart` (the default), `stop` or \
         `notify`, which only reports it.",
    ),
    new(
        "CONTAINER.PROBE.execVia",
        "direct",
        "How the command of an exec probe runs: through `containerd` (the default of `serve \
         --exec-via`), or `direct`, which costs much less.",
    ),
];

/// Labels of a container of another client of containerd, which ask for its adoption.
pub const LABELS: [(&str, &str); 5] = [
    (
        "probelet/liveness",
        "A liveness probe in short form (`http://:8080/healthz`) or as JSON of Kubernetes.",
    ),
    ("probelet/readiness", "A readiness probe, written in the same way."),
    ("probelet/startup", "A startup probe, written in the same way."),
    ("probelet/restart", "`always`, `on-failure`, `on-failure:N` or `never`."),
    ("probelet/grace", "The time from SIGTERM to SIGKILL, such as `10`, `10s` or `1m30s`."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Annotation> {
        OF_POD.iter().chain(&OF_CONTAINER).chain(&OF_PROBE)
    }

    #[test]
    fn the_page_has_exactly_the_settings_that_manifests_may_have() {
        let named: BTreeSet<_> = all().map(|one| one.key.rsplit('.').next().unwrap()).collect();
        let settings: BTreeSet<_> = crate::settings().into_iter().collect();
        assert_eq!(named, settings);
        let labels: BTreeSet<_> = LABELS.iter().map(|(label, _)| *label).collect();
        let all: BTreeSet<_> = probelet_domain::adopt::LABELS.into_iter().collect();
        assert_eq!(labels, all);
    }

    #[test]
    fn each_example_is_valid() {
        for Annotation { key, example, .. } in all() {
            let kind =
                if key.ends_with("startupPeriodMilliseconds") { "startup" } else { "liveness" };
            let key = key.replace("CONTAINER", "app").replace("PROBE", kind);
            let probe = match key.rsplit('.').next() {
                Some("grpcTLS") => "grpc: {port: 80}",
                Some("execVia") => "exec: {command: [check]}",
                _ => "httpGet: {port: 80}",
            };
            let manifest = format!(
                "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations:\n    \
                 probelet.io/{key}: {example:?}\nspec:\n  containers:\n  - {{name: other, image: a}}\n  \
                 - name: app\n    image: a\n    {kind}Probe: {{{probe}}}\n"
            );
            let read = crate::parse(&manifest, "uid".to_owned())
                .and_then(|parsed| crate::validate(parsed.spec));
            assert!(read.is_ok(), "{key}: {:?}", read.err());
        }
    }

    fn page() -> String {
        let mut text = "# Annotations and labels\n\nMade from `crates/manifest/src/setting_texts.rs` by a \
                        test, with `PROBELET_WRITE_DOCS=1 cargo test -p probelet-manifest annotations`. \
                        `probelet explain annotations` prints them too.\n\nSettings for which Kubernetes \
                        has no field are annotations of the pod: `probelet.io/KEY`.\n"
            .to_owned();
        let groups: [(&str, &[Annotation]); 3] = [
            ("Of a pod", &OF_POD),
            ("Of a container, whose name is `CONTAINER`", &OF_CONTAINER),
            ("Of a probe, where `PROBE` is `liveness`, `readiness` or `startup`", &OF_PROBE),
        ];
        for (title, annotations) in groups {
            text += &format!("\n## {title}\n\n| key | for example | |\n|---|---|---|\n");
            for Annotation { key, example, text: meaning } in annotations {
                text += &format!("| `{key}` | `{example}` | {meaning} |\n");
            }
        }
        text += "\n## Labels of containers of other clients\n\nThey ask probelet to adopt the container \
                 ([adopted containers](adopted-containers.md)).\n\n| label | |\n|---|---|\n";
        for (label, meaning) in LABELS {
            text += &format!("| `{label}` | {meaning} |\n");
        }
        text
    }

    #[test]
    fn the_documented_annotations_are_these() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/annotations.md");
        if std::env::var_os("PROBELET_WRITE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page(), "docs/annotations.md is stale: PROBELET_WRITE_DOCS=1 writes it");
    }
}
