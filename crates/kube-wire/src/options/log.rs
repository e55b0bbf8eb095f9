//! Options of `kubectl logs` and of stern.

use super::checked;
use crate::query::{ParameterError, Query};
use crate::status::{FieldError, Status};
use crate::time::Timestamp;

/// Which streams of a container's log are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogStream {
    /// Both.
    #[default]
    All,
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// Options of a log request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// The container; `None` if the pod has only one.
    pub container: Option<String>,
    /// True if the response continues with new lines.
    pub follow: bool,
    /// True if the log of the container's previous attempt is read.
    pub previous: bool,
    /// True if each line begins with its time.
    pub timestamps: bool,
    /// Only lines of so many last seconds.
    pub since_seconds: Option<u64>,
    /// Only lines since this time.
    pub since_time: Option<Timestamp>,
    /// Only so many last lines.
    pub tail_lines: Option<u64>,
    /// At most so many bytes.
    pub limit_bytes: Option<u64>,
    /// Which streams.
    pub stream: LogStream,
}

impl LogOptions {
    /// Reads the options of a log request.
    pub fn parse(query: &Query) -> Result<Self, Status> {
        let mut errors = Vec::new();
        let mut number = |name: &str, least: i64, text: &str| {
            let number = query.integer(name)?;
            let low = number.filter(|number| *number < least);
            errors.extend(low.map(|low| FieldError::invalid(name, low, text)));
            Ok::<_, ParameterError>(number.and_then(|number| u64::try_from(number).ok()))
        };
        let since_seconds = number("sinceSeconds", 1, "must be greater than 0")?;
        let tail_lines = number("tailLines", 0, "must be greater than or equal to 0")?;
        let limit_bytes = number("limitBytes", 1, "must be greater than 0")?;
        let options = Self {
            container: query.text("container").map(str::to_owned),
            follow: query.flag("follow").unwrap_or(false),
            previous: query.flag("previous").unwrap_or(false),
            timestamps: query.flag("timestamps").unwrap_or(false),
            since_seconds,
            since_time: since_time(query)?,
            tail_lines,
            limit_bytes,
            stream: stream(query, &mut errors),
        };
        options.check(&mut errors);
        checked("", "PodLogOptions", &errors)?;
        Ok(options)
    }

    fn check(&self, errors: &mut Vec<FieldError>) {
        if self.since_seconds.is_some() && self.since_time.is_some() {
            let text = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.push(FieldError::forbidden("", text));
        }
        if self.tail_lines.is_some() && self.stream != LogStream::All {
            let text = "`tailLines` and specific `stream` are mutually exclusive for now";
            errors.push(FieldError::forbidden("", text));
        }
    }
}

fn since_time(query: &Query) -> Result<Option<Timestamp>, ParameterError> {
    let parse = |text: &str| {
        let expected = "must be a time such as \"2026-01-02T03:04:05Z\"";
        Timestamp::parse(text).ok_or_else(|| ParameterError::value("sinceTime", text, expected))
    };
    query.text("sinceTime").map(parse).transpose()
}

fn stream(query: &Query, errors: &mut Vec<FieldError>) -> LogStream {
    match query.text("stream") {
        None | Some("All") => LogStream::All,
        Some("Stdout") => LogStream::Stdout,
        Some("Stderr") => LogStream::Stderr,
        Some(other) => {
            let supported = ["All", "Stderr", "Stdout"];
            errors.push(FieldError::not_supported("stream", other, &supported));
            LogStream::All
        }
    }
}
