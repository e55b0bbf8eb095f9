//! Signals by name or number, as `kill(1)` takes them and Kubernetes writes them.

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The first and the last of the real-time signals that libc leaves to programs.
const REAL_TIME: (i32, i32) = (34, 64);

/// Reads a signal: `SIGTERM`, `TERM`, `term`, `15` or `SIGRTMIN+3`. The highest number is 64.
pub fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=REAL_TIME.1).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(steps) = name.strip_prefix("RTMIN") {
        return real_time(REAL_TIME.0, steps, '+');
    }
    if let Some(steps) = name.strip_prefix("RTMAX") {
        return real_time(REAL_TIME.1, steps, '-');
    }
    let at = NAMES.iter().position(|known| *known == name)?;
    i32::try_from(at + 1).ok()
}

fn real_time(from: i32, steps: &str, sign: char) -> Option<i32> {
    let steps: i32 = match steps.strip_prefix(sign) {
        None if steps.is_empty() => 0,
        rest => rest?.parse::<u8>().ok()?.into(),
    };
    let signal = if sign == '+' { from + steps } else { from - steps };
    (REAL_TIME.0..=REAL_TIME.1).contains(&signal).then_some(signal)
}

/// Name of a signal: `SIGTERM`, `SIGRTMIN+3`; the number if it has no name.
pub fn name(signal: i32) -> String {
    let known = usize::try_from(signal - 1).ok().and_then(|at| NAMES.get(at));
    match known {
        Some(name) => format!("SIG{name}"),
        None if signal == REAL_TIME.0 => "SIGRTMIN".to_owned(),
        None if (REAL_TIME.0..=REAL_TIME.1).contains(&signal) => {
            format!("SIGRTMIN+{}", signal - REAL_TIME.0)
        }
        None => signal.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{name, parse};

    #[test]
    fn names_and_numbers_are_read() {
        let cases = [
            ("SIGTERM", Some(15)),
            ("kill", Some(9)),
            ("SYS", Some(31)),
            ("64", Some(64)),
            ("0", None),
            ("65", None),
            ("SIGNOPE", None),
            ("", None),
            ("SIGRTMIN", Some(34)),
            ("rtmin+3", Some(37)),
            ("SIGRTMAX-14", Some(50)),
            ("RTMAX-31", None),
            ("RTMIN-1", None),
        ];
        for (text, signal) in cases {
            assert_eq!(parse(text), signal, "{text}");
        }
    }

    #[test]
    fn every_signal_has_a_name_that_reads_back() {
        for signal in (1..=31).chain(34..=64) {
            assert_eq!(parse(&name(signal)), Some(signal), "{}", name(signal));
        }
        assert_eq!(name(32), "32");
    }
}
