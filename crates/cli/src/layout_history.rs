//! The terminations of a container in `describe pod`: one line each, newest first.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::layout_probes::first_line;
use super::objects::timestamp;
use super::printed::{Printed, cells, put};
use super::times::{rfc1123, since};
use probelet_api::pb::container_state::Terminated;
use probelet_manifest::signal;

pub fn history(out: &mut Printed, ends: &[Terminated]) {
    if ends.is_empty() {
        return;
    }
    put!(out, "    History:");
    ends.iter().for_each(|end| put!(out, "      {}", line(end)));
}

/// Attempt, end, age, code with signal, reason, cause.
fn line(end: &Terminated) -> Printed {
    let finished = timestamp(end.finished_at);
    let ran = match (timestamp(end.started_at), finished) {
        (Some(started), Some(finished)) => format!("ran {}", since(Some(started), finished)),
        _ => "never ran".to_owned(),
    };
    let code = match i32::try_from(end.signal) {
        Ok(signal @ 1..) => format!("{} {}", end.exit_code, signal::name(signal)),
        _ => end.exit_code.to_string(),
    };
    let mut why = first_line(&end.cause).unwrap_or_default();
    if let Some(message) = first_line(&end.message) {
        why = format!("{why}: {message}");
    }
    let finished = rfc1123(finished.map(Time).as_ref());
    let (attempt, reason) = (end.attempt, &end.reason);
    cells!("#{}\t{}\t{}\t{}\t{}\t{}", attempt, finished, ran, code, reason, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_an_attempt() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let killed = Terminated {
            attempt: 3,
            exit_code: 137,
            signal: 9,
            reason: "OOMKilled".into(),
            cause: "out of memory\nmore".into(),
            started_at: at(1000),
            finished_at: at(1123),
            ..Terminated::default()
        };
        let failed = Terminated {
            exit_code: 128,
            reason: "StartError".into(),
            cause: "could not be started".into(),
            message: "no such file".into(),
            finished_at: at(0),
            ..Terminated::default()
        };
        let mut out = Printed::default();
        history(&mut out, &[killed, failed]);
        let expected = "    History:
      #3\tThu, 01 Jan 1970 00:18:43 +0000\tran 2m3s\t137 SIGKILL\tOOMKilled\tout of memory
      #0\tThu, 01 Jan 1970 00:00:00 +0000\tnever ran\t128\tStartError\tcould not be started: no such file
";
        assert_eq!(out, expected);
        out.clear();
        history(&mut out, &[]);
        assert_eq!(out, "");
    }
}
