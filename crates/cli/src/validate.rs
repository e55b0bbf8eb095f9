//! `validate -f`: needs no daemon.

use std::path::PathBuf;

use super::error::{Error, Result};
use super::io::Io;
use super::manifests;
use probelet_manifest::{Finding, Severity, Sources};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A manifest, a folder of manifests, or - for stdin; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    files: Vec<PathBuf>,
    /// Read the folders below a folder too.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Exit with 1 for warnings and advice too.
    #[arg(long)]
    strict: bool,
}

pub fn run(args: &Args, io: &mut Io<'_>) -> Result<()> {
    let sources = Sources::read(manifests::texts(&args.files, args.recursive)?);
    let findings = sources.findings();
    for finding in &findings {
        io.line(&line(finding))?;
    }
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let errors = count(Severity::Error);
    let warnings = count(Severity::Warning);
    let advice = count(Severity::Advice);
    let objects = sources.values.len();
    if objects == 0 && errors == 0 {
        return Err(Error::Other("no objects passed".to_owned()));
    }
    io.line(&format!(
        "{objects} object(s): {errors} error(s), {warnings} warning(s), {advice} piece(s) of advice"
    ))?;
    let failed = errors > 0 || args.strict && !findings.is_empty();
    if failed { Err(Error::Reported) } else { Ok(()) }
}

/// The format of compilers, in which editors find the position.
fn line(finding: &Finding) -> String {
    let severity = finding.severity.as_str();
    format!("{}: {severity}: {}", finding.position, finding.text())
}
