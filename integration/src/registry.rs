//! Registries on loopback: docker-registry with logins, and a registry of the tests that misbehaves
//! on demand.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Host, IMAGE, SOON, bounded, clean, eventually, finish, root, spawn, succeed};

mod endless;
mod forms;
mod token;

pub use endless::EndlessRegistry;

pub const USER: &str = "somebody";
pub const PASSWORD: &str = "hush";

/// docker-registry with htpasswd logins. It ends when this is dropped.
pub struct PrivateRegistry {
    process: Child,
    pub address: String,
}

impl PrivateRegistry {
    /// Starts the registry over plain HTTP, with the image `kubia-unhealthy` as `app:1`.
    pub fn start(host: &Host) -> Result<Self> {
        let registry = Self::serve(host, None)?;
        let (user, app) = (format!("{USER}:{PASSWORD}"), registry.image("app:1"));
        host.ctr(["images", "push", "--plain-http", "--user", &user, &app, IMAGE])?;
        Ok(registry)
    }

    /// Starts the registry over HTTPS, with a self-signed certificate that is written to this file.
    pub fn start_tls(host: &Host, certificate: &Path) -> Result<Self> {
        // The image is pushed over plain HTTP, which ctr uses for loopback; the data stays.
        drop(Self::start(host)?);
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        fs::write(certificate, made.cert.pem())?;
        let key = certificate.with_extension("key");
        fs::write(&key, made.signing_key.serialize_pem())?;
        Self::serve(host, Some(&json!({ "certificate": certificate, "key": key })))
    }

    fn serve(host: &Host, tls: Option<&Value>) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let (users, data) = (host.path("htpasswd"), host.path("registry"));
        let hashed = succeed(finish(bounded("htpasswd").args(["-nbB", USER, PASSWORD]), "")?)?;
        fs::write(&users, hashed.trim())?;
        let config = json!({
            "version": 0.1,
            "storage": { "filesystem": { "rootdirectory": data } },
            "http": { "addr": address, "tls": tls },
            "auth": { "htpasswd": { "realm": "test", "path": users } },
        });
        let path = host.path("registry.yml");
        fs::write(&path, config.to_string())?;
        let mut command = Command::new("docker-registry");
        let process = spawn(command.arg("serve").arg(&path), &host.path("registry.log"))?;
        let registry = Self { process, address };
        eventually("the registry answers", SOON, || TcpStream::connect(&registry.address).ok())?;
        Ok(registry)
    }

    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }
}

impl Drop for PrivateRegistry {
    fn drop(&mut self) {
        clean::end(&mut self.process);
    }
}

/// How the registry answers a request for a blob wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The answer is complete, but has only half of the blob.
    Truncated,
    /// The length is right, but some bytes are wrong.
    Wrong,
    /// The connection breaks in the middle of the first answer.
    BreaksOnce,
    /// Half of the blob is sent, and then nothing.
    Stuck,
}

#[derive(Default)]
struct State {
    blobs: HashMap<String, Vec<u8>>,
    tags: HashMap<String, String>,
    faults: HashMap<String, Fault>,
    requests: Vec<String>,
    /// Whether requests need a token.
    tokens: bool,
    closed: bool,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

/// A registry of the tests. Every repository name has all its images.
pub struct OwnRegistry {
    pub address: String,
    /// The digest of the layer of `kubia-unhealthy`.
    pub layer: String,
    manifest: Value,
    state: Shared,
}

impl OwnRegistry {
    /// Starts with `app:1`, an index in which `kubia-unhealthy` is the image for this host.
    pub fn start(scratch: &Path) -> Result<Self> {
        let layout = scratch.join("layout");
        fs::create_dir_all(&layout)?;
        let archive = root().join("target/images/kubia-unhealthy.tar");
        let mut tar = bounded("tar");
        succeed(finish(tar.arg("-xf").arg(archive).arg("-C").arg(&layout), "")?)?;
        let mut state = State::default();
        for entry in fs::read_dir(layout.join("blobs/sha256"))? {
            add(&mut state, fs::read(entry?.path())?);
        }
        let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
        let ours = index.pointer("/manifests/0").cloned().context("no manifest")?;
        let digest = ours["digest"].as_str().context("no digest")?;
        let bytes = state.blobs.get(digest).context("no blob")?;
        let manifest: Value = serde_json::from_slice(bytes)?;
        let layer = manifest.pointer("/layers/0/digest").and_then(Value::as_str);
        let layer = layer.context("no layer")?.to_owned();
        let mut other = ours.clone();
        other["platform"]["architecture"] = json!("s390x");
        other["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
        let list = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [other, ours],
        });
        let digest = add(&mut state, serde_json::to_vec(&list)?);
        state.tags.insert("1".into(), digest);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let state: Shared = Arc::new((Mutex::new(state), Condvar::new()));
        let served = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = served.clone();
                if locked(&state, |state| state.closed) {
                    return;
                }
                thread::spawn(move || serve(&stream, &state));
            }
        });
        Ok(Self { address, layer, manifest, state })
    }

    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The digest of the index.
    pub fn digest(&self) -> String {
        locked(&self.state, |state| state.tags.get("1").cloned().unwrap_or_default())
    }

    pub fn break_layer(&self, fault: Option<Fault>) {
        locked(&self.state, |state| {
            state.faults.clear();
            state.faults.extend(fault.map(|fault| (self.layer.clone(), fault)));
        });
        self.state.1.notify_all();
    }

    /// Adds the tag `lie`, whose configuration has a wrong diff id for its layer.
    pub fn add_lie(&self) -> Result<()> {
        let config = self.manifest.pointer("/config/digest").and_then(Value::as_str);
        let config = config.context("no config")?.to_owned();
        locked(&self.state, |state| {
            let bytes = state.blobs.get(&config).context("no blob")?;
            let mut config: Value = serde_json::from_slice(bytes)?;
            config["rootfs"]["diff_ids"] = json!([format!("sha256:{}", "1".repeat(64))]);
            let bytes = serde_json::to_vec(&config)?;
            let mut manifest = self.manifest.clone();
            manifest["config"]["size"] = json!(bytes.len());
            manifest["config"]["digest"] = json!(add(state, bytes));
            let digest = add(state, serde_json::to_vec(&manifest)?);
            state.tags.insert("lie".into(), digest);
            Ok(())
        })
    }

    /// Adds the tags `forms`, with layers of several media types, and `docker`, with Docker's.
    pub fn add_forms(&self) -> Result<()> {
        locked(&self.state, |state| {
            let made = [
                ("forms", forms::oci(state, &self.manifest)?),
                ("docker", forms::docker(state, &self.manifest)?),
            ];
            for (tag, manifest) in made {
                let digest = add(state, serde_json::to_vec(&manifest)?);
                state.tags.insert(tag.into(), digest);
            }
            Ok(())
        })
    }

    /// Requires a token from now on, for which a login is exchanged.
    pub fn ask_for_tokens(&self) {
        locked(&self.state, |state| state.tokens = true);
    }

    /// The requests so far, each as `METHOD PATH OFFSET`.
    pub fn requests(&self) -> Vec<String> {
        locked(&self.state, |state| state.requests.clone())
    }
}

impl Drop for OwnRegistry {
    fn drop(&mut self) {
        locked(&self.state, |state| {
            state.closed = true;
            state.faults.clear();
        });
        self.state.1.notify_all();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(&self.address);
    }
}

fn add(state: &mut State, bytes: Vec<u8>) -> String {
    let digest = digest(&bytes);
    state.blobs.insert(digest.clone(), bytes);
    digest
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn locked<T>(state: &Shared, f: impl FnOnce(&mut State) -> T) -> T {
    f(&mut state.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn serve(mut stream: &TcpStream, state: &Shared) {
    let mut head = Vec::new();
    for line in BufReader::new(stream.take(16 << 10)).lines().map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let words: Vec<&str> = head.first().map(|line| line.split(' ').collect()).unwrap_or_default();
    let [method, path, ..] = words.as_slice() else { return };
    let range = head
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let from = range.as_deref().and_then(|range| range.trim_end_matches('-').parse().ok());
    let from: usize = from.unwrap_or_default();
    let tokens = locked(state, |state| {
        state.requests.push(format!("{method} {path} {from}"));
        state.tokens
    });
    let address = stream.local_addr().map(|address| address.to_string()).unwrap_or_default();
    if tokens && let Some(answer) = token::gate(&address, path, &head) {
        let _ = stream.write_all(answer.as_bytes());
        return;
    }
    let path = path.split('?').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let (blob, fault) = locked(state, |state| {
        let digest = state.tags.get(name).map_or(name, String::as_str).to_owned();
        let fault = state.faults.get(&digest).copied();
        if fault == Some(Fault::BreaksOnce) {
            state.faults.remove(&digest);
        }
        (state.blobs.get(&digest).cloned(), fault)
    });
    let answer = |status: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    let Some(mut blob) = blob else {
        let status = if path == "/v2/" { "200 OK" } else { "404 Not Found" };
        let _ = stream.write_all(answer(status, 0).as_bytes());
        return;
    };
    let half = blob.len() / 2;
    match fault {
        Some(Fault::Truncated) => blob.truncate(half),
        Some(Fault::Wrong) => blob.iter_mut().take(100).for_each(|byte| *byte ^= 1),
        _ => {}
    }
    let body = blob.get(from..).unwrap_or_default();
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let _ = stream.write_all(answer(status, body.len()).as_bytes());
    let part = match fault {
        Some(Fault::BreaksOnce | Fault::Stuck) => body.len() / 2,
        _ => body.len(),
    };
    let _ = stream.write_all(body.get(..part).unwrap_or_default());
    if fault == Some(Fault::Stuck) {
        let digest = name.to_owned();
        let guard = state.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bound = SOON * 4;
        let stuck = |state: &mut State| state.faults.contains_key(&digest);
        drop(state.1.wait_timeout_while(guard, bound, stuck));
    }
    let _ = stream.shutdown(Shutdown::Both);
}
