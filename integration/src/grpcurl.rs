//! The API as its users call it by hand.

use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::Result;
use serde_json::Value;

use crate::{Done, Host, bounded, finish, spawn, succeed};

pub(crate) const GRPCURL_FLAGS: [&str; 2] = ["-plaintext", "-unix"];

impl Host {
    /// `grpcurl -plaintext -unix BEFORE… SOCKET AFTER…`, `stdin` for `-d @`.
    pub fn try_grpcurl(&self, before: &[&str], after: &[&str], stdin: &str) -> Result<Done> {
        let mut command = bounded(grpcurl_bin());
        command.args(GRPCURL_FLAGS).args(before).arg(self.socket()).args(after);
        finish(&mut command, stdin)
    }

    /// One call; the answer as JSON (of a stream: its first message).
    pub fn call(&self, method: &str, request: &Value) -> Result<Value> {
        let done = self.try_grpcurl(&["-d", "@"], &[method], &request.to_string())?;
        let text = succeed(done)?;
        let first = serde_json::Deserializer::from_str(&text).into_iter().next();
        Ok(first.transpose()?.unwrap_or_default())
    }

    /// All answers of a call with several requests, one JSON value after the other.
    pub fn grpcurl_stream(&self, method: &str, requests: &str) -> Result<String> {
        succeed(self.try_grpcurl(&["-d", "@"], &[method], requests)?)
    }

    /// A call that goes on, its answers written to the returned file. End it by `kill`.
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

/// A Python that has gRPC's own library.
pub fn grpcio_python() -> PathBuf {
    std::env::var_os("GRPCIO_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}
