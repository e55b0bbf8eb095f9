//! Pressure stall information of the cgroup, or of the host if the cgroup has none.

use super::cgroup::Cgroup;
use super::text::read;
use crate::domain::evidence::Pressure;

pub fn of(cgroup: &Cgroup, missing: &mut Vec<String>) -> Vec<Pressure> {
    let mut found = Vec::new();
    for of in ["memory", "cpu", "io"] {
        let own = cgroup.pressure(of);
        let host = own.is_none();
        let path = own.unwrap_or_else(|| format!("/proc/pressure/{of}").into());
        match read(&path, 4096) {
            Ok(text) => {
                let (some, full) = (share(&text, "some"), share(&text, "full"));
                found.push(Pressure { of: of.to_owned(), host, some, full });
            }
            Err(error) => missing.push(format!("{of} pressure: {error}")),
        }
    }
    found
}

/// The average of the last 10 s in percent, from a line like `some avg10=1.53 avg60=…`; 0 if the
/// line is missing.
fn share(text: &str, kind: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(kind)).unwrap_or_default();
    let ten = line.split_whitespace().find_map(|word| word.strip_prefix("avg10="));
    ten.and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_seconds_are_read() {
        let text = "some avg10=1.53 avg60=0.00 avg300=0.00 total=1\n\
                    full avg10=0.25 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!((share(text, "some"), share(text, "full")), (1.53, 0.25));
        assert_eq!(share("", "some"), 0.0);
    }
}
