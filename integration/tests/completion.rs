//! Completion by a real bash, with the names of a live daemon.

use std::path::Path;

use anyhow::{Context, Result};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, bounded, finish, probelet_bin, succeed, with_host};
use serde_json::json;

/// The candidates of the last word of a line, by the function that the script registers.
const SCRIPT: &str = r#"
export PATH="$1:$PATH" PROBELET_SOCKET="$2"
shift 2
source <(probelet completion bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
_clap_complete_probelet probelet "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"#;

fn candidates(socket: &Path, line: &str) -> Result<Vec<String>> {
    let program = probelet_bin().canonicalize()?;
    let mut bash = bounded("bash");
    bash.args(["-c", SCRIPT, "bash"]).arg(program.parent().context("no folder")?).arg(socket);
    let words = line.split(' ');
    let printed = succeed(finish(bash.args(words), "")?)?;
    Ok(printed.lines().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}

fn pod(host: &Host, namespace: &str, name: &str) -> Result<()> {
    let container =
        |name: &str| json!({ "name": name, "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"] });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [container("app"), container("sidecar")],
        },
    });
    host.apply(&pod.to_string())?;
    host.probelet(["wait", name, "-n", namespace, "--for", "condition=Ready"])?;
    Ok(())
}

#[test]
fn names_come_from_the_daemon_and_none_while_it_is_away() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        pod(host, "default", "web")?;
        pod(host, "prod", "database")?;
        let socket = host.socket();
        for (line, expected) in [
            ("probelet desc", vec!["describe"]),
            ("probelet get ", vec!["pods", "events"]),
            ("probelet get pods ", vec!["web"]),
            ("probelet logs w", vec!["web"]),
            ("probelet logs x", vec![]),
            ("probelet logs -n prod ", vec!["database"]),
            ("probelet logs -n p", vec!["prod"]),
            ("probelet logs web -c ", vec!["app", "sidecar"]),
            ("probelet exec pod/web -c s", vec!["sidecar"]),
            ("probelet delete ", vec!["pod"]),
            ("probelet delete pod ", vec!["web"]),
            ("probelet run x --image docker.io/library/b", vec![BUSYBOX_IMAGE]),
        ] {
            let found = candidates(&socket, line)?;
            let names: Vec<_> = found.iter().filter(|word| !word.starts_with('-')).collect();
            assert_eq!(names, expected.iter().collect::<Vec<_>>(), "{line}");
        }
        // A daemon that is away costs a moment and no message.
        let begin = probelet_integration::now();
        assert!(candidates(Path::new("/nonexistent/socket"), "probelet logs w")?.is_empty());
        assert!(begin.elapsed() < SOON);
        host.probelet(["delete", "pod", "web"])?;
        host.probelet(["delete", "pod", "database", "-n", "prod"])?;
        host.expect_nothing_left()
    })
}
