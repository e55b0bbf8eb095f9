//! What a person who knows kubectl, docker and systemctl types on the first day: each line works, or
//! says what to type instead. One daemon serves all lines, in their order.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Done, Host, SOON, with_host};
use serde_json::json;

/// A command line after `probelet`, its exit status, and a part of what it prints.
type Line = (&'static str, i32, &'static str);

const LINES: &[Line] = &[
    // Looking, before anything runs.
    ("", 2, "Usage: probelet"),
    ("help", 0, "Usage: probelet"),
    ("--version", 0, "probelet 0."),
    ("get pods", 0, "No resources found."),
    ("get po -A", 0, "No resources found."),
    ("ps", 2, "`probelet get pods`"),
    ("ls", 2, "`probelet get pods`"),
    ("images", 0, "busybox"),
    ("info", 2, "`probelet status`"),
    ("cluster-info", 2, "`probelet status`"),
    ("get nodes", 2, "--kube-api"),
    ("get all", 2, "`probelet get pods -A`"),
    ("gte pods", 2, "did you mean `probelet get`?"),
    // Creating.
    ("apply -f web.yaml --dry-run=client", 0, "pod/web is good (client dry run)"),
    ("apply -f web.yaml --dry-run=server", 0, "pod/web is good (server dry run)"),
    ("diff -f web.yaml", 1, "+  name: web"),
    ("apply -f web.yaml", 0, "pod/web created"),
    ("apply -f web.yaml", 0, "pod/web unchanged"),
    ("diff -f web.yaml", 0, ""),
    ("apply -f nowhere.yaml", 1, "nowhere.yaml: No such file or directory\n"),
    (
        "apply -f typo.yaml",
        1,
        "typo.yaml:6:5: spec.containers[0].livenessProb: unknown field: did you mean",
    ),
    ("create -f web.yaml", 2, "`probelet apply -f FILE`"),
    ("run db --image IMAGE -l app=db -e A=1 --command -- sleep 1000", 0, "pod/db created"),
    ("run db --image IMAGE", 1, "pods \"db\" already exists"),
    ("run -d --name x IMAGE", 2, "tip: "),
    ("run x --image IMAGE -it", 1, "no command specified: neither here nor in the image"),
    ("run in --rm -i --image IMAGE --command -- sh -c 'echo from inside'", 0, "from inside"),
    ("run x --image IMAGE --port 80 --liveness http://:80/ --dry-run", 0, "containerPort: 80"),
    ("run x --image IMAGE --port http", 2, "must be a whole number"),
    ("run once --rm --image IMAGE --command -- sh -c 'echo hello; exit 3'", 3, "hello"),
    ("get pod once", 1, "pods \"once\" not found"),
    ("wait --for=condition=Ready pod --all --timeout 30", 0, "pod/web condition met"),
    ("wait web --for delete --timeout 0", 1, "timed out waiting"),
    // Looking at what runs.
    ("get pods --no-headers", 0, "web   1/1"),
    ("get pods --show-labels", 0, "app=web"),
    ("get pods -l app=db -o name", 0, "pod/db\n"),
    ("get pods -l app=nothing", 0, "No resources found."),
    ("get pod wbe", 1, "hint: did you mean \"web\"?"),
    ("get pods -n prod", 0, "No resources found in prod namespace."),
    ("describe pods -l app=web", 0, "PID:"),
    ("describe web", 2, "`pod NAME` or `pod/NAME`"),
    ("inspect web", 2, "`probelet describe pod web`"),
    ("status", 0, "2 Running"),
    ("status web", 2, "`probelet describe pod web`"),
    ("show web", 2, "`probelet describe pod web`"),
    ("cat web", 2, "`probelet export web`"),
    ("events", 2, "`probelet get events`"),
    ("get events web", 0, "Started"),
    ("get evnts", 2, "did you mean \"events\"?"),
    ("stats", 2, "`probelet top`"),
    ("top", 0, "web"),
    ("logs web", 0, "ready"),
    ("logs web db", 0, "[pod/web/app] ready"),
    ("logs -l app=web --prefix", 0, "[pod/web/app] ready"),
    ("logs web -c ap", 1, "hint: pod \"web\" has the containers app"),
    ("logs web --tail -5", 2, "-5"),
    ("logs web --since 10", 0, ""),
    ("logs web --since 1m30s", 0, "ready"),
    ("journalctl web", 2, "`probelet logs web`"),
    // Working on what runs.
    ("exec web -- echo hi", 0, "hi\n"),
    ("exec web echo hi", 0, "hi\n"),
    ("exec web -- sh -c 'exit 7'", 7, "command terminated with exit code 7"),
    ("exec wen -- true", 1, "did you mean \"web\"?"),
    ("cp web.yaml web:/tmp/copied", 0, ""),
    ("exec web -- cat /tmp/copied", 0, "kind: Pod"),
    ("cp web:/nothing /tmp/", 1, "/nothing"),
    ("cp a b", 2, "POD:PATH"),
    ("attach -i web", 1, "runs without an input"),
    ("edit pod web", 2, "`probelet export web > FILE`"),
    ("label pod web a=b", 2, "`probelet apply -f FILE`"),
    ("scale deployment/web --replicas=2", 2, "`probelet stop web`"),
    ("rollout restart deployment/web", 2, "`probelet restart web`"),
    ("restart web db --grace-period 0s", 0, "pod/db restarted"),
    ("stop db -t 1", 2, "--grace-period SECONDS"),
    ("stop db --grace-period 0", 0, "pod/db stopped"),
    ("is-active db", 2, "`probelet wait db"),
    ("disable db", 2, "`probelet stop db`"),
    ("start db", 0, "pod/db started"),
    ("kill web -s HUP", 0, "pod/web signalled (HUP)"),
    ("pause web --for ten", 2, "must be a time like 10, 10s or 1m30s"),
    ("pause web --for 10m", 0, "(in "),
    ("unpause web", 2, "`probelet resume web`"),
    ("resume --all", 0, "pod/web probes resumed"),
    // Ending.
    ("rm web", 2, "`probelet delete pod web`"),
    ("delete web", 2, "`pod NAME` or `pod/NAME`"),
    ("delete pod nothing", 1, "pods \"nothing\" not found"),
    ("delete pod nothing --ignore-not-found", 0, ""),
    ("delete pod", 2, "--all"),
    // Its shell takes no notice of SIGTERM, so it lasts for its grace of 30 s.
    ("delete pod web --wait=false", 0, "pod \"web\" is being deleted"),
    ("get pod web", 0, "Terminating"),
    ("delete pod web --now", 0, "pod \"web\" deleted"),
    ("wait pod/web --for=delete --timeout=1m", 0, "pod/web condition met"),
    ("delete pod --all --force", 0, "pod \"db\" force deleted"),
    ("get pods", 0, "No resources found."),
];

const WEB: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - livenessProbe: {exec: {command: ['true']}}
    name: app
    image: IMAGE
    command: [sh, -c, 'trap : HUP; echo ready; while :; do sleep 1 & wait; done']
";

/// Runs a line as a shell splits it, in the folder of the manifests.
fn typed(host: &Host, line: &str) -> Result<Done> {
    let line = line.replace("IMAGE", BUSYBOX_IMAGE);
    let words = shlex::split(&line).with_context(|| format!("no words: {line}"))?;
    let file = |word: String| match word.ends_with(".yaml") {
        true => host.path(&word).display().to_string(),
        false => word,
    };
    host.try_probelet(words.into_iter().map(file), "")
}

#[test]
fn each_line_works_or_says_what_to_type_instead() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let web = WEB.replace("IMAGE", BUSYBOX_IMAGE);
        std::fs::write(host.path("web.yaml"), &web)?;
        std::fs::write(host.path("typo.yaml"), web.replace("livenessProbe", "livenessProb"))?;
        let mut wrong = String::new();
        for (line, code, expected) in LINES {
            let mut done = typed(host, line)?;
            // What is printed by a container that has just started comes a moment later.
            let begin = probelet_integration::now();
            while line.starts_with("logs") && *code == 0 && begin.elapsed() < SOON {
                if done.stdout.contains(expected) {
                    break;
                }
                done = typed(host, line)?;
            }
            let printed = format!("{}{}", done.stdout, done.stderr);
            if done.code != Some(*code) || !printed.contains(expected) {
                writeln!(wrong, "$ probelet {line}\nexpected {code} and {expected:?}: {done:?}\n")?;
            }
            let words = ["os error", "invalid digit", "panicked", "strconv", "Status {"];
            if words.iter().any(|word| printed.contains(word)) {
                writeln!(wrong, "$ probelet {line}\nhas words of a program: {printed}\n")?;
            }
        }
        ensure!(LINES.len() >= 60 && wrong.is_empty(), "{wrong}");
        host.expect_nothing_left()
    })
}
