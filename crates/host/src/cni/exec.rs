//! One call of a plugin: time and output are bounded, and no process of it is left.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process;
use tokio::time::timeout;

use crate::files;
use crate::process::descriptors;
use probelet_domain::cni::{self, Command};
use probelet_domain::shorten;

/// Limit for a plugin's output, in bytes; results are much shorter.
const LONGEST: usize = 1 << 20;
const LONGEST_COMPLAINT: usize = 1024;
/// Where plugins find programs such as iptables if the daemon was started without a `PATH`.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long the call waits for a killed plugin to end.
const BURIAL: Duration = Duration::from_secs(1);

pub struct Call<'a> {
    pub(super) program: &'a Path,
    pub(super) kind: &'a str,
    pub(super) command: Command,
    pub(super) container: &'a str,
    pub(super) netns: &'a Path,
    pub(super) interface: &'a str,
    pub(super) args: &'a str,
    pub(super) path: &'a [PathBuf],
}

/// The process group of a plugin. All its processes are killed on drop, however the call ends.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // In most cases no process is left.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Call<'_> {
    /// Runs the plugin and returns its result, `Null` if it prints none. The error is the plugin's
    /// error text, or the reason that `bound` gives when it ends the call.
    pub async fn run(
        &self,
        request: &Value,
        bound: impl Future<Output = String>,
    ) -> Result<Value, String> {
        let folders = std::env::join_paths(self.path).map_err(|error| error.to_string())?;
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(SYSTEM_PATH));
        let mut command = process::Command::new(self.program);
        command
            .env_clear()
            .env("PATH", path)
            .env("CNI_COMMAND", self.command.as_str())
            .env("CNI_CONTAINERID", self.container)
            .env("CNI_NETNS", self.netns)
            .env("CNI_IFNAME", self.interface)
            .env("CNI_ARGS", self.args)
            .env("CNI_PATH", folders)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        descriptors::restore_in(command.as_std_mut());
        let complain = |stdout: &str, stderr: &str, ended: &str| {
            let mut text = cni::complaint(self.kind, self.command, stdout, stderr, ended);
            shorten(&mut text, LONGEST_COMPLAINT);
            text
        };
        let mut child =
            command.spawn().map_err(|error| complain("", "", &format!("not started: {error}")))?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let request = request.to_string();
        let conversation = async {
            let tell = async {
                if let Some(mut stdin) = stdin {
                    // A plugin that does not read its request reports that in its answer.
                    let _ = stdin.write_all(request.as_bytes()).await;
                }
            };
            let ((), stdout, stderr, status) =
                tokio::join!(tell, read(stdout), read(stderr), child.wait());
            (stdout, stderr, status)
        };
        let ended = tokio::select! {
            ended = conversation => Ok(ended),
            why = bound => Err(why),
        };
        let (stdout, stderr, status) = match ended {
            Ok(ended) => ended,
            Err(why) => {
                drop(group);
                // The plugin is killed. The call waits for its end because it holds the namespace.
                let _ = timeout(BURIAL, child.wait()).await;
                return Err(complain("", "", &why));
            }
        };
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        match status {
            Err(error) => Err(complain(&stdout, &stderr, &error.to_string())),
            Ok(status) if !status.success() => Err(complain(&stdout, &stderr, &status.to_string())),
            Ok(_) if stdout.trim().is_empty() => Ok(Value::Null),
            Ok(_) => serde_json::from_str(&stdout)
                .map_err(|error| complain("", &format!("its answer is no JSON: {error}"), "bad")),
        }
    }
}

async fn read(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<u8> {
    let Some(pipe) = pipe else { return Vec::new() };
    // An answer that is cut off is not valid JSON and is reported as such.
    files::read_start_of_stream(pipe, LONGEST).await.unwrap_or_default()
}
