//! What to type in place of a verb or a flag of kubectl, docker, systemctl, crictl and ctr that probelet
//! does not have.

/// A verb, the tools that have it, and what to type instead. `NAME` is replaced by the first name of the
/// command line.
const VERBS: &[(&str, &str, &str)] = &[
    // kubectl
    ("annotate", "kubectl", EDIT),
    (
        "api-resources",
        "kubectl",
        "`probelet explain pod` lists the fields of a pod, which is what probelet runs",
    ),
    (
        "auth",
        "kubectl",
        "every user of the socket may do everything; `probelet kubeconfig --view` makes a user who may only look",
    ),
    ("autoscale", "kubectl", "one host runs one pod of a workload: nothing is scaled"),
    ("cluster-info", "kubectl", "`probelet status`"),
    (
        "config",
        "kubectl",
        "`probelet kubeconfig` prints a kubeconfig; the daemon's own configuration is /etc/probelet/config.toml",
    ),
    ("cordon", "kubectl", "start the daemon with --kube-api, then `kubectl cordon` works"),
    ("create", "kubectl, docker", "`probelet apply -f FILE`, or `probelet run NAME --image IMAGE`"),
    (
        "debug",
        "kubectl",
        "`probelet exec -it NAME -- sh`, or `probelet describe pod NAME --evidence`",
    ),
    ("drain", "kubectl", "`probelet stop --all`"),
    ("edit", "kubectl, systemctl", EDIT),
    (
        "expose",
        "kubectl",
        "one host has no Services: a `hostPort` in the manifest makes a port reachable, and `probelet port-forward NAME 8080` from this host only",
    ),
    ("events", "kubectl, docker", "`probelet get events`, with -w to follow"),
    ("label", "kubectl", EDIT),
    ("patch", "kubectl", EDIT),
    ("proxy", "kubectl", "`probelet serve --kube-api 127.0.0.1:6443` serves the Kubernetes API"),
    ("replace", "kubectl", "`probelet apply -f FILE`"),
    ("rollout", "kubectl", "`probelet restart NAME`; `probelet wait NAME --for condition=Ready`"),
    (
        "scale",
        "kubectl",
        "one host runs one pod of a workload: `probelet stop NAME` and `probelet start NAME`",
    ),
    ("set", "kubectl", EDIT),
    ("taint", "kubectl", "there is only this host"),
    ("uncordon", "kubectl", "start the daemon with --kube-api, then `kubectl uncordon` works"),
    // docker, nerdctl, podman
    ("build", "docker", "build with docker or buildah, then `ctr -n probelet images import FILE`"),
    ("commit", "docker", "build an image, then `ctr -n probelet images import FILE`"),
    ("compose", "docker", "`probelet apply -f FILE` with a Pod of several containers"),
    ("container", "docker", "`probelet get pods`"),
    ("down", "docker compose", "`probelet delete -f FILE`"),
    ("healthcheck", "podman", "`probelet probe NAME` runs a probe now"),
    ("history", "docker", "`probelet describe pod NAME` has the last ten exits"),
    ("image", "docker", "`probelet images`, `probelet pull IMAGE`, `probelet rmi IMAGE`"),
    ("import", "docker", IMPORT),
    ("info", "docker", "`probelet status`, or `probelet check`"),
    ("inspect", "docker", "`probelet describe pod NAME`, or `probelet get pod NAME -o json`"),
    ("load", "docker", IMPORT),
    (
        "login",
        "docker",
        "`docker login` writes /root/.docker/config.json, which `serve --registry-config` reads",
    ),
    ("logout", "docker", "remove the login from the file of `serve --registry-config`"),
    ("network", "docker", "the network of pods is a CNI configuration in /etc/cni/net.d"),
    ("port", "docker", "`probelet describe pod NAME` has the ports"),
    ("ps", "docker", "`probelet get pods`"),
    ("push", "docker", "probelet only pulls: `ctr -n probelet images push IMAGE`"),
    (
        "rename",
        "docker",
        "a pod keeps its name: `probelet export NAME`, change the name, `probelet apply -f FILE`",
    ),
    ("rm", "docker", "`probelet delete pod NAME`"),
    ("save", "docker", "`ctr -n probelet images export FILE IMAGE`"),
    ("search", "docker", "`probelet pull IMAGE` pulls an image by its name"),
    ("stats", "docker", "`probelet top`"),
    ("tag", "docker", "`ctr -n probelet images tag IMAGE NEW`"),
    ("unpause", "docker", "probelet pauses probes, not processes: `probelet resume NAME`"),
    ("up", "docker compose", "`probelet apply -f FILE`"),
    ("update", "docker", EDIT),
    ("volume", "docker", "volumes are in the pod's manifest: `emptyDir`, `hostPath`, `image`"),
    // systemctl, journalctl
    ("cat", "systemctl", "`probelet export NAME`"),
    (
        "daemon-reload",
        "systemctl",
        "`systemctl reload probelet` reads the configuration again; manifests are read as they change",
    ),
    ("disable", "systemctl", "`probelet stop NAME`: it stays stopped over reboots"),
    (
        "enable",
        "systemctl",
        "`probelet start NAME`: a pod that was not stopped runs after a reboot too",
    ),
    ("is-active", "systemctl", "`probelet wait NAME --for condition=Ready --timeout 0`"),
    ("is-failed", "systemctl", "`probelet get pod NAME`"),
    (
        "journalctl",
        "systemd",
        "`probelet logs NAME`; `journalctl -u probelet` has the daemon's own log",
    ),
    ("list", "systemctl, ctr", "`probelet get pods`"),
    ("list-units", "systemctl", "`probelet get pods`"),
    ("ls", "systemctl, docker", "`probelet get pods`"),
    ("mask", "systemctl", "`probelet stop NAME`"),
    (
        "reload",
        "systemctl",
        "`systemctl reload probelet` reads the daemon's configuration; `probelet apply -f FILE` a pod's manifest",
    ),
    ("reset-failed", "systemctl", "`probelet restart NAME` starts it now, without the back-off"),
    ("show", "systemctl", "`probelet describe pod NAME`, or `probelet get pod NAME -o yaml`"),
    ("try-restart", "systemctl", "`probelet restart NAME`"),
    ("unmask", "systemctl", "`probelet start NAME`"),
    // crictl, ctr
    ("containers", "ctr", "`probelet get pods`"),
    ("inspectp", "crictl", "`probelet describe pod NAME`"),
    ("pods", "crictl", "`probelet get pods`"),
    ("rmp", "crictl", "`probelet delete pod NAME`"),
    ("runp", "crictl", "`probelet apply -f FILE`"),
    ("stopp", "crictl", "`probelet stop NAME`"),
    ("task", "ctr", "`probelet get pods`"),
    ("tasks", "ctr", "`probelet get pods`"),
];

const EDIT: &str = "`probelet export NAME > FILE`, edit it, `probelet apply -f FILE`";
const IMPORT: &str = "`ctr -n probelet images import FILE`";

/// A verb of probelet, a flag of another tool, and what to write instead.
const FLAGS: &[(&str, &str, &str)] = &[
    ("run", "-d", "a pod always runs in the background: leave out -d"),
    ("run", "--detach", "a pod always runs in the background: leave out --detach"),
    ("run", "--name", "the name comes first: probelet run NAME --image IMAGE"),
    (
        "run",
        "-p",
        "--port PORT names a port; to reach it from outside, a manifest has `hostPort` (`--dry-run` prints one to begin with)",
    ),
    (
        "run",
        "--publish",
        "--port PORT names a port; to reach it from outside, a manifest has `hostPort` (`--dry-run` prints one to begin with)",
    ),
    ("run", "-v", "volumes are in a manifest, and `--dry-run` prints one to begin with"),
    ("run", "--volume", "volumes are in a manifest, and `--dry-run` prints one to begin with"),
    ("run", "--health-cmd", "--liveness 'exec:COMMAND'"),
    ("run", "--network", "the network of pods is a CNI configuration in /etc/cni/net.d"),
    (
        "run",
        "--memory",
        "limits are in a manifest (`resources`), and `--dry-run` prints one to begin with",
    ),
    (
        "run",
        "-m",
        "limits are in a manifest (`resources`), and `--dry-run` prints one to begin with",
    ),
    ("stop", "-t", "--grace-period SECONDS"),
    ("stop", "--time", "--grace-period SECONDS"),
    ("restart", "-t", "--grace-period SECONDS"),
    ("logs", "-n", "--tail N prints the last lines; -n is the namespace"),
    ("get", "--sort-by", "pods are sorted by name, events by time; `-o json` is for other orders"),
    ("get", "--field-selector", "-l selects by labels; `-o json` has all fields"),
    ("top", "--no-stream", "--once prints once and ends"),
];

/// The verbs with their advice. A test checks that what the advice names exists.
#[cfg(test)]
pub fn verbs() -> impl Iterator<Item = (&'static str, &'static str)> {
    VERBS.iter().map(|(verb, _, advice)| (*verb, *advice))
}

/// The advice for a verb of another tool, with the name that was typed.
pub fn verb<'a>(name: &str, mut rest: impl Iterator<Item = &'a str>) -> Option<String> {
    let (_, tools, instead) = VERBS.iter().find(|(verb, _, _)| *verb == name)?;
    let named = rest.find(|arg| !arg.starts_with('-') && !KINDS.contains(arg)).unwrap_or("NAME");
    let named = named.rsplit_once('/').map_or(named, |(_, name)| name);
    Some(format!("for `{name}` of {tools}: {}", instead.replace("NAME", named)))
}

/// Words between a verb and a name.
const KINDS: [&str; 8] =
    ["pod", "pods", "po", "restart", "status", "image", "deployment", "container"];

/// The advice for a flag of another tool.
pub fn flag(verb: &str, flag: &str) -> Option<&'static str> {
    let found = FLAGS.iter().find(|(of, name, _)| *of == verb && *name == flag);
    found.map(|(_, _, advice)| *advice)
}
