//! A containerd and a probelet for one test. [`Host`] removes all of it when it is dropped.
//!
//! Needs root, the programs that `scripts/test` installs, the built daemon, and the image archives
//! of `scripts/build-image`. Tests do not wait for a fixed time: [`eventually`] polls for a state.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

pub mod api_client;
mod busybox;
pub mod bystander;
pub mod certificates;
pub mod clean;
pub mod cni;
mod containerd;
mod daemon;
mod grpcurl;
pub mod image;
pub mod kube;
pub mod measure;
pub mod outages;
pub mod proxy;
mod records;
pub mod registry;
pub mod screen;
pub mod script;
pub mod target;
pub mod tmux;

pub use daemon::{shim_of, signal};
pub use grpcurl::{grpcio_python, grpcurl_bin};

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use proxy::Proxy;

pub const IMAGE: &str = "docker.io/luksa/kubia-unhealthy:latest";

/// A bound for everything that should happen at once, on a busy machine too.
pub const SOON: Duration = Duration::from_secs(15);

/// Polls each 50 ms until `look` returns a value. Fails after `bound` with an error that names
/// `what`.
pub fn eventually<T>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    let start = now();
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if start.elapsed() > bound {
            bail!("not within {bound:?}: {what}");
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[allow(clippy::disallowed_methods, reason = "tests measure with the real clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The result of a finished command.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Returns an address of the loopback that is free at this moment.
pub fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Runs a test on a new host with a daemon. If it fails, the logs of daemon and containerd are
/// printed.
pub fn with_host(test: impl FnOnce(&mut Host) -> Result<()>) -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    test(&mut host).inspect_err(|_| host.show_logs())
}

pub struct Host {
    dir: TempDir,
    namespace: String,
    containerd: Child,
    daemon: Option<Child>,
    proxy: Option<Proxy>,
    /// Flags of each daemon that is started on this host.
    pub flags: Vec<String>,
}

impl Host {
    /// Starts containerd and imports the image, without the daemon: `start_daemon` starts it.
    pub fn start() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        ensure!(rustix::process::geteuid().is_root(), "the integration tests need root");
        let dir = tempfile::Builder::new().prefix("probelet-test.").tempdir()?;
        let at = dir.path().display();
        let config = format!(
            r#"version = 2
root = "{at}/root"
state = "{at}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]
[debug]
level = "warn"
[grpc]
address = "{at}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{at}/opt"
"#
        );
        let config_path = dir.path().join("containerd.toml");
        fs::write(&config_path, config)?;
        let containerd = containerd::spawn(dir.path())?;
        // runc's state and the cgroups have the namespace's name, so it must be unique on the
        // machine.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("probelet-{}-{count}", std::process::id());
        // From here on `drop` cleans up.
        let host =
            Self { dir, namespace, containerd, daemon: None, proxy: None, flags: Vec::new() };
        host.wait_containerd()?;
        host.import("kubia-unhealthy")?;
        Ok(host)
    }

    pub fn wait_containerd(&self) -> Result<()> {
        eventually("containerd answers", SOON, || self.ctr(["version"]).ok()).map(drop)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn socket(&self) -> PathBuf {
        self.path("probelet.sock")
    }

    /// The socket that the daemon uses, and that shims have in their arguments.
    pub fn containerd_socket(&self) -> PathBuf {
        self.path("containerd.sock")
    }

    /// The socket of containerd itself, for clients of the test.
    pub fn direct_socket(&self) -> PathBuf {
        match self.proxy {
            Some(_) => self.path("direct.sock"),
            None => self.containerd_socket(),
        }
    }

    /// Runs the client and returns its stdout. Fails with its stderr if its exit code is not 0.
    pub fn probelet<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        succeed(self.try_probelet(args, "")?)
    }

    pub fn try_probelet<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        stdin: &str,
    ) -> Result<Done> {
        let mut command = bounded(probelet_bin());
        command.arg("--socket").arg(self.socket()).args(args);
        finish(&mut command, stdin)
    }

    /// Runs `apply -f -`.
    pub fn apply(&self, manifest: &str) -> Result<String> {
        succeed(self.try_probelet(["apply", "-f", "-"], manifest)?)
    }

    /// Starts `apply` in the background.
    pub fn spawn_apply(&self, manifest: &str) -> Result<Child> {
        let file = self.path("applied.yaml");
        fs::write(&file, manifest)?;
        let mut command = Command::new(probelet_bin());
        command.arg("--socket").arg(self.socket()).args(["apply", "-f"]).arg(file);
        spawn(&mut command, &self.path("applied.log"))
    }

    pub fn ctr<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        let mut command = bounded("ctr");
        command.arg("--address").arg(self.direct_socket());
        command.args(["--namespace", &self.namespace]).args(args);
        succeed(finish(&mut command, "")?)
    }

    /// The Pod with its status, from `get pod NAME -o json`.
    pub fn pod(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.probelet(["get", "pod", name, "-o", "json"])?)?)
    }

    /// The status of the pod's only container.
    pub fn status(&self, name: &str) -> Result<Value> {
        let pod = self.pod(name)?;
        let status = pod.pointer("/status/containerStatuses/0");
        status.cloned().with_context(|| format!("no container status in {pod}"))
    }

    /// The status of one container of a pod of several.
    pub fn status_of(&self, pod: &str, container: &str) -> Result<Value> {
        let pod = self.pod(pod)?;
        let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
        let statuses = lists.iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
        let mut named = statuses.filter(|status| status["name"] == container);
        named.next().cloned().with_context(|| format!("no status of {container} in {pod}"))
    }

    /// The pod's STATUS in `get pods`.
    pub fn column(&self, pod: &str) -> Result<String> {
        let table = self.probelet(["get", "pods", pod])?;
        let status = table.lines().nth(1).and_then(|row| row.split_whitespace().nth(2));
        status.map(str::to_owned).with_context(|| format!("no status in {table}"))
    }

    /// Waits until `good` accepts the status of the pod's only container. The error has the last
    /// status.
    pub fn wait_status(
        &self,
        name: &str,
        bound: Duration,
        good: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let mut last = None;
        let seen = eventually("the awaited container status", bound, || {
            let status = self.status(name).map_err(|error| format!("{error:#}"));
            let found = status.as_ref().ok().filter(|status| good(status)).cloned();
            last = Some(status);
            found
        });
        seen.with_context(|| format!("{name}: last seen {last:?}"))
    }

    /// All events, each as `TYPE REASON MESSAGE`.
    pub fn events(&self) -> Result<Vec<String>> {
        let list: Value = serde_json::from_str(&self.probelet(["get", "events", "-o", "json"])?)?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let word = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
        Ok(items
            .iter()
            .map(|item| {
                format!("{} {} {}", word(item, "type"), word(item, "reason"), word(item, "message"))
            })
            .collect())
    }

    /// The process id of a running task, from containerd.
    pub fn task_pid(&self, id: &str) -> Result<u32> {
        let list = self.ctr(["task", "ls"])?;
        let fields = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        for words in fields {
            if let [task, pid, "RUNNING"] = words.as_slice()
                && *task == id
            {
                return Ok(pid.parse()?);
            }
        }
        bail!("{id} isn't RUNNING in\n{list}")
    }

    /// Everything in containerd except the image (containers, tasks, snapshots, views), and what
    /// pods have in the run and data folders.
    pub fn leftovers(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for what in ["containers", "task"] {
            let list = self.ctr([what, "ls", "-q"])?;
            left.extend(list.lines().map(|id| format!("{what} {id}")));
        }
        let snapshots = self.ctr(["snapshots", "ls"])?;
        let active = snapshots.lines().filter(|line| line.trim_end().ends_with("Active"));
        let views = snapshots.lines().filter(|line| line.starts_with("probelet-volume-"));
        left.extend(active.chain(views).map(|line| format!("snapshot {line}")));
        left.extend(self.pins());
        Ok(left)
    }

    /// What pods have in the run and data folders: files, and mounts on them or below.
    fn pins(&self) -> Vec<String> {
        let folders = [
            "run/netns",
            "run/ipcns",
            "run/utsns",
            "run/pidns",
            "run/claims",
            "run/pods",
            "run/volumes",
            "data/pods",
            "data/cni",
        ]
        .map(|folder| self.path(folder));
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
        let files = files.flatten().map(|entry| format!("file {}", entry.path().display()));
        let (run, data) = (self.path("run"), self.path("data"));
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mounts = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
        // The two folders themselves may be mounts, of tests that share their mounts.
        let is_below = |at: &Path, dir: &PathBuf| at.starts_with(dir) && at != dir;
        let mounts =
            mounts.filter(|at| [&run, &data].iter().any(|dir| is_below(Path::new(at), dir)));
        files.chain(mounts.map(|at| format!("mount {at}"))).collect()
    }

    /// Waits until nothing of any container is left. The error lists the leftovers.
    pub fn expect_nothing_left(&self) -> Result<()> {
        let mut last = Vec::new();
        let gone = eventually("nothing is left in containerd", SOON, || {
            last = self.leftovers().ok()?;
            last.is_empty().then_some(())
        });
        gone.with_context(|| format!("left: {last:?}"))
    }

    pub fn show_logs(&self) {
        for name in ["probelet.log", "containerd.log"] {
            let text = fs::read_to_string(self.path(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines.iter().skip(lines.len().saturating_sub(40));
            eprintln!("--- the end of {name}");
            tail.for_each(|line| eprintln!("{line}"));
        }
    }
}

impl Host {
    /// Keeps the daemon's log as a file of the test's name in the folder PROBELET_TEST_LOGS: that a
    /// test has returned an error is known when its host is gone.
    fn keep_log(&self) {
        let Some(folder) = std::env::var_os("PROBELET_TEST_LOGS") else { return };
        let test = thread::current().name().unwrap_or("main").replace("::", ".");
        let kept = Path::new(&folder).join(test);
        // A test without a daemon has no log.
        let _ = fs::copy(self.path("probelet.log"), kept);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if thread::panicking() {
            self.show_logs();
        }
        // The daemon comes first: it would restart the containers that are killed next.
        if let Some(mut daemon) = self.daemon.take() {
            clean::end(&mut daemon);
        }
        self.keep_log();
        if matches!(self.containerd.try_wait(), Ok(None)) {
            for id in self.ctr(["containers", "ls", "-q"]).unwrap_or_default().lines() {
                // What fails here is removed by force below.
                let _ = self.ctr(["task", "delete", "--force", id]);
                let _ = self.ctr(["containers", "delete", id]);
            }
            let _ = eventually("all shims have ended", Duration::from_secs(2), || {
                clean::shims(&self.containerd_socket()).is_empty().then_some(())
            });
        }
        clean::end(&mut self.containerd);
        clean::leftovers(self.dir.path(), &self.containerd_socket(), &self.namespace);
    }
}

/// The daemon's binary: PROBELET_BIN, or else the debug build.
pub fn probelet_bin() -> PathBuf {
    std::env::var_os("PROBELET_BIN")
        .map_or_else(|| root().join("target/debug/probelet"), PathBuf::from)
}

/// The command lines of all processes of this machine that have `word` as an argument.
pub fn processes_with(word: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let words = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    words.filter(|line| line.split(' ').any(|one| one == word)).collect()
}

/// A command that is ended after 60 s, so that it cannot hang a test.
pub fn bounded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60"]).arg(program);
    command
}

fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let out = File::options().create(true).append(true).open(log)?;
    let errors = out.try_clone()?;
    let spawned = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn();
    spawned.with_context(|| format!("cannot run {command:?}"))
}

pub fn finish(command: &mut Command, stdin: &str) -> Result<Done> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let pipe = child.stdin.take();
    let output = thread::scope(|scope| {
        // The input is written in a thread, because the command may echo it. An error is ignored,
        // because not every command reads its input.
        scope.spawn(|| pipe.map(|mut pipe| pipe.write_all(stdin.as_bytes())));
        child.wait_with_output()
    })?;
    Ok(Done {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

pub fn succeed(done: Done) -> Result<String> {
    ensure!(done.code == Some(0), "exit {:?}: {}{}", done.code, done.stderr, done.stdout);
    Ok(done.stdout)
}
