//! Reduction of evidence to its maximum size. What is left out is listed in `missing`.

use super::{Evidence, MOST};

/// Name of the data that is left out, and the function that removes it.
type Step = (&'static str, fn(&mut Evidence));

/// Reductions in the order in which they are applied, the least useful data first.
const STEPS: [Step; 5] = [
    ("kernel stacks", |e| each_thread(e, |thread| thread.stack.clear())),
    ("the older half of the log", |e| drop_half(&mut e.captured.log)),
    ("the command's output", |e| e.captured.command_output = None),
    ("the log", |e| e.captured.log.clear()),
    ("threads", |e| e.captured.processes.iter_mut().for_each(|p| p.threads.truncate(10))),
];

fn each_thread(evidence: &mut Evidence, act: impl Fn(&mut super::Thread)) {
    evidence.captured.processes.iter_mut().flat_map(|p| &mut p.threads).for_each(act);
}

fn drop_half(log: &mut Vec<String>) {
    log.drain(..log.len().div_ceil(2));
}

impl Evidence {
    /// Returns the evidence as JSON of at most [`MOST`] bytes. Data is left out if necessary.
    ///
    /// # Errors
    ///
    /// The evidence is too large even after all reductions.
    pub fn fit(mut self) -> Result<Vec<u8>, String> {
        let mut steps = STEPS.iter();
        loop {
            let json = serde_json::to_vec(&self).map_err(|error| error.to_string())?;
            if json.len() <= MOST {
                return Ok(json);
            }
            let Some((what, cut)) = steps.next() else {
                return Err(format!("{} bytes, of which {MOST} may be kept", json.len()));
            };
            cut(&mut self);
            self.captured.missing.push(format!("{what}: left out, the evidence was too large"));
        }
    }
}
