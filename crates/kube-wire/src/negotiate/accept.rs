//! The clauses of the header `Accept`, the preferred ones first.

use crate::status::Status;

/// Most bytes of the header.
const MAX_BYTES: usize = 16 * 1024;

/// One media range with its parameters.
pub(super) struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    pub(super) fn kind(&self) -> &'a str {
        self.kind
    }

    pub(super) fn subtype(&self) -> &'a str {
        self.subtype
    }

    /// The value of a parameter, without quotes.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| *v)
    }

    /// From 0 to 1,000.
    fn quality(&self) -> u16 {
        let Some(text) = self.parameter("q") else { return 1_000 };
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits: String = part.chars().chain("000".chars()).take(3).collect();
        match (whole, digits.parse::<u16>()) {
            ("0" | "", Ok(thousandths)) => thousandths,
            // One, or a text that is no number.
            _ => 1_000,
        }
    }
}

/// The answer to a header that is longer than the limit.
pub(super) fn too_long() -> Status {
    Status::bad_request(format!("the header Accept is longer than {MAX_BYTES} bytes"))
}

/// The clauses that are acceptable, by falling quality. `None` if the header is too long.
pub(super) fn clauses(header: &str) -> Option<Vec<Clause<'_>>> {
    if header.len() > MAX_BYTES {
        return None;
    }
    let mut clauses: Vec<_> = header.split(',').filter_map(clause).collect();
    clauses.retain(|clause| clause.quality() > 0);
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.quality()));
    Some(clauses)
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let parameters = parts.filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim(), value.trim().trim_matches('"')))
    });
    Some(Clause { kind: kind.trim(), subtype: subtype.trim(), parameters: parameters.collect() })
}
