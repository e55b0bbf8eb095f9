//! Calls of the API with grpcurl.

use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::Result;
use serde_json::Value;

use crate::{Done, Host, bounded, finish, spawn, succeed};

pub(crate) const GRPCURL_FLAGS: [&str; 2] = ["-plaintext", "-unix"];

impl Host {
    /// Runs `grpcurl -plaintext -unix BEFORE… SOCKET AFTER…`. `-d @` reads `stdin`.
    pub fn try_grpcurl(&self, before: &[&str], after: &[&str], stdin: &str) -> Result<Done> {
        let mut command = bounded(grpcurl_bin());
        command.args(GRPCURL_FLAGS).args(before).arg(self.socket()).args(after);
        finish(&mut command, stdin)
    }

    /// Makes a call and returns its answer as JSON; of a stream, the first message.
    pub fn call(&self, method: &str, request: &Value) -> Result<Value> {
        let done = self.try_grpcurl(&["-d", "@"], &[method], &request.to_string())?;
        let text = succeed(done)?;
        let first = serde_json::Deserializer::from_str(&text).into_iter().next();
        Ok(first.transpose()?.unwrap_or_default())
    }

    /// Makes a call with several requests and returns all answers, one JSON value after the other.
    pub fn grpcurl_stream(&self, method: &str, requests: &str) -> Result<String> {
        succeed(self.try_grpcurl(&["-d", "@"], &[method], requests)?)
    }

    /// Starts a call that goes on in the background and writes its answers to the returned file.
    /// The caller ends it by `kill`.
    pub fn spawn_call(&self, method: &str, request: &Value) -> Result<(Child, PathBuf)> {
        let out = self.path(&format!("{}.json", method.replace('/', ".")));
        let mut command = Command::new(grpcurl_bin());
        command.args(GRPCURL_FLAGS).args(["-d", &request.to_string()]);
        command.arg(self.socket()).arg(method);
        Ok((spawn(&mut command, &out)?, out))
    }
}

pub fn grpcurl_bin() -> PathBuf {
    std::env::var_os("GRPCURL").map_or_else(|| PathBuf::from("grpcurl"), PathBuf::from)
}

/// The Python interpreter that has gRPC's library: GRPCIO_PYTHON, else `python3`.
pub fn grpcio_python() -> PathBuf {
    std::env::var_os("GRPCIO_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}
