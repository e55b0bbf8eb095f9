//! The table of a run, and the file of all runs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use probelet_integration::root;
use serde_json::{Value, json};

/// One figure of probelet; smaller is better.
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub probelet: f64,
    /// The figure of the raw program or of another tool, and its name.
    pub floor: Option<(f64, &'static str)>,
}

impl Row {
    pub fn alone(what: impl Into<String>, unit: &'static str, probelet: f64) -> Self {
        Self { what: what.into(), unit, probelet, floor: None }
    }

    pub fn beside(self, floor: f64, name: &'static str) -> Self {
        Self { floor: Some((floor, name)), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.floor.filter(|(floor, _)| *floor > 0.0).map(|(floor, _)| self.probelet / floor)
    }
}

/// The rows of a run, by measure.
pub struct Report {
    rows: Vec<(&'static str, Row)>,
    /// The share of the last 10 s, in percent, in which a process waited for a CPU, at the start.
    pressure: f64,
}

impl Report {
    pub fn begin() -> Self {
        Self { rows: Vec::new(), pressure: pressure() }
    }

    pub fn add(&mut self, measure: &'static str, rows: Vec<Row>) {
        self.rows.extend(rows.into_iter().map(|row| (measure, row)));
    }

    /// Prints the table and appends the run to the file.
    pub fn finish(&self) -> Result<()> {
        let file = file();
        let last = last(&file);
        println!(
            "{:<8} {:<52} {:>9} {:>9}  {:>6}  {:>7}  beside",
            "", "", "probelet", "beside", "ratio", "before"
        );
        for (measure, row) in &self.rows {
            let before = last.as_ref().and_then(|last| before(last, measure, &row.what));
            let (floor, name) =
                row.floor.map_or((String::new(), ""), |(floor, name)| (number(floor), name));
            println!(
                "{measure:<8} {:<52} {:>9} {floor:>9}  {:>6}  {:>7}  {name}",
                format!("{}, {}", row.what, row.unit),
                number(row.probelet),
                row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
                before.map(number).unwrap_or_default(),
            );
        }
        println!("waiting for a CPU: {:.0} % before the run", self.pressure);
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(measure, row)| {
                json!({
                    "measure": measure, "what": row.what, "unit": row.unit, "probelet": row.probelet,
                    "floor": row.floor.map(|(floor, _)| floor),
                })
            })
            .collect();
        let line = json!({ "commit": commit(), "pressure": self.pressure, "rows": rows });
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        Ok(writeln!(file, "{line}")?)
    }
}

fn file() -> PathBuf {
    root().join("target/bench.jsonl")
}

fn last(file: &PathBuf) -> Option<Value> {
    let text = fs::read_to_string(file).ok()?;
    serde_json::from_str(text.lines().last()?).ok()
}

fn before(last: &Value, measure: &str, what: &str) -> Option<f64> {
    let rows = last.get("rows")?.as_array()?;
    let row = rows.iter().find(|row| {
        row.get("measure").and_then(Value::as_str) == Some(measure)
            && row.get("what").and_then(Value::as_str) == Some(what)
    });
    row?.get("probelet")?.as_f64()
}

/// The median in milliseconds.
pub fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// Three significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn commit() -> String {
    let output =
        Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

fn pressure() -> f64 {
    let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let ten = text.split_whitespace().find_map(|word| word.strip_prefix("avg10="));
    ten.and_then(|text| text.parse().ok()).unwrap_or_default()
}
