//! A host whose daemon serves the Kubernetes API, and kubectl for it.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{Done, Host, SOON, bounded, eventually, finish, free_address, succeed};

/// A host whose daemon serves the Kubernetes API, and kubectl with all rights.
pub struct Kube {
    pub host: Host,
    pub kubectl: Kubectl,
    address: String,
}

impl Kube {
    pub fn start() -> Result<Self> {
        Self::start_on(Host::start()?)
    }

    /// Starts the daemon of this host.
    pub fn start_on(mut host: Host) -> Result<Self> {
        let address = free_address()?;
        host.flags.extend(["--kube-api".to_owned(), address.clone()]);
        host.start_daemon()?;
        let program = std::env::var_os("KUBECTL").context("KUBECTL is not set")?.into();
        let kubeconfig = kubeconfig(&host, "tester", &[])?;
        let kubectl = Kubectl { program, kubeconfig, home: host.path("home"), websockets: true };
        Ok(Self { host, kubectl, address })
    }

    /// Kills the daemon by SIGKILL and starts it again.
    pub fn crash(&mut self) -> Result<()> {
        self.host.kill_daemon()?;
        self.host.start_daemon()
    }

    /// `HOST:PORT` of the Kubernetes API.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Writes the kubeconfig of another user.
    pub fn kubeconfig(&self, name: &str, flags: &[&str]) -> Result<PathBuf> {
        kubeconfig(&self.host, name, flags)
    }

    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl.run(args, "")
    }

    /// Runs kubectl with a manifest as its input.
    pub fn apply(&self, args: &[&str], manifest: &str) -> Result<String> {
        self.kubectl.run(args, manifest)
    }

    pub fn try_kubectl(&self, args: &[&str], stdin: &str) -> Result<Done> {
        self.kubectl.done(args, stdin)
    }

    /// Runs kubectl with another kubeconfig.
    pub fn as_user(&self, kubeconfig: &Path, args: &[&str], stdin: &str) -> Result<Done> {
        self.kubectl.with_user(kubeconfig.to_owned()).done(args, stdin)
    }

    /// Runs kubectl, which must fail, and returns its error.
    pub fn refused(&self, args: &[&str], stdin: &str) -> Result<String> {
        self.kubectl.refused(args, stdin)
    }

    pub fn json(&self, args: &[&str]) -> Result<Value> {
        self.kubectl.json(args)
    }

    pub fn pod(&self, name: &str) -> Result<Value> {
        self.json(&["get", "pod", name])
    }

    /// Waits until a pod is ready.
    pub fn ready(&self, pod: &str) -> Result<()> {
        let pod = format!("pod/{pod}");
        self.kubectl(&["wait", "--for=condition=Ready", &pod, "--timeout=30s"]).map(drop)
    }

    /// A container `box` of busybox that runs this script and ends at once when it is deleted.
    pub fn start_box(&self, script: &str) -> Result<()> {
        let mut request = self.host.busybox("box", script)?;
        crate::target::extend(&mut request, serde_json::json!({"terminationGracePeriod": "0s"}));
        self.host.call("probelet.v1.Containers/CreateContainer", &request)?;
        self.ready("box")
    }
}

fn kubeconfig(host: &Host, name: &str, flags: &[&str]) -> Result<PathBuf> {
    let path = host.path(&format!("{name}.kubeconfig"));
    std::fs::write(&path, host.probelet([&["kubeconfig", "--name", name], flags].concat())?)?;
    Ok(path)
}

/// A kubectl and the user that it runs as.
#[derive(Clone)]
pub struct Kubectl {
    program: PathBuf,
    pub kubeconfig: PathBuf,
    home: PathBuf,
    websockets: bool,
}

impl Kubectl {
    /// Another version of kubectl, with a cache of its own.
    pub fn of_version(&self, program: PathBuf) -> Self {
        let mut home = self.home.clone();
        home.set_file_name("home-of-another-version");
        Self { program, home, ..self.clone() }
    }

    pub fn with_user(&self, kubeconfig: PathBuf) -> Self {
        Self { kubeconfig, ..self.clone() }
    }

    /// Streams over WebSockets, or over SPDY alone as in kubectl before 1.31.
    pub fn over(&self, websockets: bool) -> Self {
        Self { websockets, ..self.clone() }
    }

    pub fn program(&self) -> &PathBuf {
        &self.program
    }

    /// A command that is ended after 60 s.
    pub fn command(&self) -> Command {
        self.for_user(bounded(&self.program))
    }

    /// Gives a command the kubeconfig and the settings of this kubectl.
    pub fn for_user(&self, mut command: Command) -> Command {
        let websockets = self.websockets.to_string();
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", &websockets)
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
        command
    }

    pub fn done(&self, args: &[&str], stdin: &str) -> Result<Done> {
        finish(self.command().args(args), stdin)
    }

    pub fn run(&self, args: &[&str], stdin: &str) -> Result<String> {
        self.done(args, stdin).and_then(succeed).with_context(|| format!("kubectl {args:?}"))
    }

    pub fn refused(&self, args: &[&str], stdin: &str) -> Result<String> {
        let done = self.done(args, stdin)?;
        ensure!(done.code != Some(0), "kubectl {args:?} succeeded: {}", done.stdout);
        Ok(done.stderr)
    }

    pub fn json(&self, args: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.run(&[args, &["-o", "json"]].concat(), "")?)?)
    }

    /// Starts kubectl with pipes. It is killed when the result is dropped.
    pub fn spawn(&self, args: &[&str]) -> Result<Background> {
        let mut command = self.for_user(Command::new(&self.program));
        Background::start(command.args(args))
    }
}

/// A client that runs in the background and is killed when this is dropped.
pub struct Background(pub Child);

impl Background {
    pub fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self(command.spawn().with_context(|| format!("cannot run {command:?}"))?))
    }

    /// Waits until the client has ended by itself, and fails with its errors if its exit code is
    /// not 0.
    pub fn succeed(mut self) -> Result<()> {
        let child = &mut self.0;
        let status = eventually("the client ends", SOON * 4, || child.try_wait().ok()?)?;
        if status.success() {
            return Ok(());
        }
        let mut why = String::new();
        if let Some(mut errors) = child.stderr.take() {
            errors.read_to_string(&mut why)?;
        }
        bail!("{status}: {why}")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `kubectl port-forward` that runs in the background.
pub struct Forward {
    pub kubectl: Background,
    /// The local port.
    pub port: u16,
}

impl Forward {
    /// Forwards a free local port to this one of `to`, such as `pod/web`.
    pub fn start(kubectl: &Kubectl, to: &str, port: u16) -> Result<Self> {
        let args = ["port-forward", to, &format!(":{port}"), "--address=127.0.0.1"];
        let mut kubectl = kubectl.spawn(&args)?;
        let mut line = String::new();
        let mut output = BufReader::new(kubectl.0.stdout.take().context("no output")?);
        output.read_line(&mut line)?;
        // kubectl writes a line for each connection, and ends if it is not read.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let local = line.strip_prefix("Forwarding from 127.0.0.1:");
        let local = local.and_then(|rest| rest.split(' ').next());
        let Some(local) = local else {
            let mut why = String::new();
            kubectl.0.kill()?;
            kubectl.0.stderr.take().context("no errors")?.read_to_string(&mut why)?;
            bail!("{line}{why}");
        };
        let port = local.parse()?;
        Ok(Self { kubectl, port })
    }

    pub fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(SOON * 4))?;
        stream.set_write_timeout(Some(SOON * 4))?;
        Ok(stream)
    }
}
