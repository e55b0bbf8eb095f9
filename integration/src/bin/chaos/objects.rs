//! Clients that write objects through the Kubernetes API while the daemon is killed, and the check
//! that no answered write is lost and none is half done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use probelet_integration::{Host, SOON, bounded, eventually, finish, succeed};

/// The clients of a fault. Each has objects of its own.
const LANES: u32 = 3;
/// More than a client writes before the daemon is killed.
const NUMBERS: u64 = 100_000;
const SCRIPT: &str = include_str!("write_objects.py");

/// The number of the write that an object is of; `None` if there is no object.
type State = Option<u64>;

/// The written objects, with the states that each may have.
#[derive(Default)]
struct Expected(BTreeMap<String, BTreeSet<State>>);

impl Expected {
    /// Follows what a client has printed. A write without an answer may have happened or not.
    fn follow(&mut self, lines: &[String]) -> Result<()> {
        let mut sent: Option<(&str, State)> = None;
        for line in lines {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["send", name, operation, number] => {
                    let number = number.parse().context("no number")?;
                    sent = Some((*name, (*operation != "delete").then_some(number)));
                }
                ["done", name, code] => {
                    let (of, state) = sent.take().context("an answer without a request")?;
                    let code: u16 = code.parse().context("no code")?;
                    match code {
                        200..300 => self.0.insert(of.to_owned(), BTreeSet::from([state])),
                        // The object exists already, or does not exist.
                        404 | 409 => None,
                        _ => bail!("{name}: unexpected answer {code}"),
                    };
                }
                _ => bail!("unexpected line {line:?}"),
            }
        }
        if let Some((name, state)) = sent {
            let states = self.0.entry(name.to_owned()).or_insert_with(|| BTreeSet::from([None]));
            states.insert(state);
        }
        Ok(())
    }

    /// Compares the objects with those of the API. From then on each has the state that it was found
    /// in.
    fn compare(&mut self, found: &BTreeMap<String, String>) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, states) in &mut self.0 {
            let text = found.get(name);
            let state: State = text.and_then(|number| number.parse().ok());
            if let Some(text) = text.filter(|_| state.is_none()) {
                faults.push(format!("half a write of an object: {name}: {text}"));
            } else if !states.contains(&state) {
                let is = state.map_or("is not there".to_owned(), |state| format!("has {state}"));
                faults
                    .push(format!("an answered write is lost: {name} {is}, not one of {states:?}"));
            }
            *states = BTreeSet::from([state]);
        }
        faults
    }
}

/// The Kubernetes API, its clients, and what they have written.
pub(crate) struct Objects {
    address: String,
    authority: PathBuf,
    token: String,
    expected: Expected,
    next: u64,
}

impl Objects {
    /// `address` is the daemon's `--kube-api`.
    pub(crate) fn begin(host: &Host, address: &str) -> Result<Self> {
        let kubeconfig = host.probelet(["kubeconfig", "--name", "chaos", "--token"])?;
        let field = |name: &str| {
            let value = kubeconfig.lines().find_map(|line| line.trim().strip_prefix(name));
            let value = value.with_context(|| format!("no {name} in the kubeconfig"))?;
            anyhow::Ok(value.trim().trim_matches('"').to_owned())
        };
        let authority = host.path("chaos-authority.pem");
        let encoded = field("certificate-authority-data:")?;
        let decoded = finish(bounded("base64").arg("-d"), &encoded).and_then(succeed)?;
        std::fs::write(&authority, decoded)?;
        let (address, token) = (address.to_owned(), field("token:")?);
        Ok(Self { address, authority, token, expected: Expected::default(), next: 1 })
    }

    /// Starts the clients, and waits until each has got an answer.
    pub(crate) fn write(&mut self) -> Result<Vec<Writer>> {
        let mut writers = Vec::new();
        for lane in 0..LANES {
            let mut command = self.python(Command::new("python3"), "write");
            command.arg(lane.to_string()).arg(self.next.to_string());
            self.next += NUMBERS;
            writers.push(Writer::start(&mut command)?);
        }
        for writer in &mut writers {
            eventually("an object is written", SOON, || writer.has_an_answer().then_some(()))?;
        }
        Ok(writers)
    }

    /// Waits for the clients of a killed daemon, and returns how many requests they have sent.
    pub(crate) fn follow(&mut self, writers: Vec<Writer>) -> Result<usize> {
        let mut sent = 0;
        for writer in writers {
            let lines = writer.finish()?;
            sent += lines.iter().filter(|line| line.starts_with("send ")).count();
            self.expected.follow(&lines)?;
        }
        Ok(sent)
    }

    pub(crate) fn judge(&mut self) -> Vec<String> {
        let list = finish(&mut self.python(bounded("python3"), "list"), "").and_then(succeed);
        let found = list.and_then(|list| Ok(serde_json::from_str(&list)?));
        match found {
            Ok(found) => self.expected.compare(&found),
            Err(error) => vec![format!("the objects cannot be listed: {error:#}")],
        }
    }

    fn python(&self, mut command: Command, mode: &str) -> Command {
        command.args(["-c", SCRIPT, mode, &self.address]).arg(&self.authority).arg(&self.token);
        command
    }
}

/// A client that runs until the daemon does not answer.
pub(crate) struct Writer {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Writer {
    fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run python3")?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let all = lines.clone();
        let reader = thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| lock(&all).push(line));
        });
        Ok(Self { child, lines, reader })
    }

    fn has_an_answer(&mut self) -> bool {
        lock(&self.lines).iter().any(|line| line.starts_with("done "))
    }

    /// What the client has printed in all.
    fn finish(mut self) -> Result<Vec<String>> {
        let ended = eventually("a client ends", SOON, || self.child.try_wait().ok()?);
        if ended.is_err() {
            self.child.kill()?;
        }
        let mut why = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut why)?;
        }
        if !ended?.success() {
            bail!("a client failed: {why}");
        }
        if self.reader.join().is_err() {
            bail!("a reader panicked");
        }
        Ok(std::mem::take(&mut *lock(&self.lines)))
    }
}

fn lock(lines: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &str) -> Expected {
        let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        let mut expected = Expected::default();
        expected.follow(&lines).unwrap();
        expected
    }

    fn faults(lines: &str, found: &[(&str, &str)]) -> Vec<String> {
        let found = found.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned()));
        after(lines).compare(&found.collect())
    }

    #[test]
    fn an_answered_write_is_expected_and_the_last_request_may_have_happened() {
        let answered = "send c/a create 1\ndone c/a 201\nsend c/a replace 2\ndone c/a 200";
        assert!(faults(answered, &[("c/a", "2")]).is_empty());
        assert_eq!(faults(answered, &[("c/a", "1")]).len(), 1);
        assert_eq!(faults(answered, &[]).len(), 1);
        assert_eq!(faults(answered, &[("c/a", "torn")]).len(), 1);
        let cut = &format!("{answered}\nsend c/a merge 3");
        assert!(faults(cut, &[("c/a", "2")]).is_empty() && faults(cut, &[("c/a", "3")]).is_empty());
        assert_eq!(faults(cut, &[]).len(), 1);
        let refused = &format!("{answered}\nsend c/a create 3\ndone c/a 409");
        assert_eq!(faults(refused, &[("c/a", "3")]).len(), 1);
        let removed = &format!("{answered}\nsend c/a delete 3\ndone c/a 200");
        assert!(faults(removed, &[]).is_empty());
        assert_eq!(faults(removed, &[("c/a", "2")]).len(), 1);
        assert!(faults("send c/a apply 1", &[]).is_empty());
    }

    #[test]
    fn a_found_state_stays() {
        let mut expected = after("send c/a apply 1");
        let found = BTreeMap::from([("c/a".to_owned(), "1".to_owned())]);
        assert!(expected.compare(&found).is_empty());
        assert_eq!(expected.compare(&BTreeMap::new()).len(), 1);
    }
}
