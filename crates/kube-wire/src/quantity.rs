//! The canonical form of quantities, in which Kubernetes gives them back: `1000m` is `1`, `0.5` is
//! `500m`, `1024Mi` is `1Gi`.

const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// From 10⁻⁹ in steps of 10³.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/// The smallest part of a unit is 10⁻⁹.
const NANO: u128 = 1_000_000_000;
/// The largest number of whole units. Kubernetes lowers what is above it.
const LARGEST: u128 = i64::MAX as u128;
/// Digits above which a text is left as it is.
const DIGITS: usize = 30;

/// How the suffix was written, which the canonical form keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Decimal,
    Exponent,
}

/// Returns the canonical form of a quantity; `None` if the text is none, which is for the rules of
/// the field to refuse.
pub fn canonical(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at_checked(end)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || digits.len() > DIGITS || part.contains('.') {
        return None;
    }
    let (form, factor, power) = read_suffix(suffix)?;
    let mantissa: u128 = digits.parse().ok()?;
    let places = i32::try_from(part.len()).ok()?;
    let exponent = power.checked_add(9)?.checked_sub(places)?;
    let nanos = nanos(mantissa, factor, exponent);
    let (number, suffix) = render(nanos, form);
    let sign = if nanos == 0 { "" } else { sign };
    Some(format!("{sign}{number}{suffix}"))
}

/// The form, the factor and the power of ten of a suffix.
fn read_suffix(suffix: &str) -> Option<(Form, u128, i32)> {
    let step = |index: usize| u32::try_from(index).ok();
    if let Some(index) = BINARY.iter().position(|known| *known == suffix) {
        let power = step(index)?.checked_add(1)?;
        return Some((Form::Binary, 1024_u128.checked_pow(power)?, 0));
    }
    if let Some(index) = DECIMAL.iter().position(|known| *known == suffix) {
        let power = i32::try_from(index).ok()?.checked_mul(3)?.checked_sub(9)?;
        return Some((Form::Decimal, 1, power));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-64..=64).contains(&power).then_some((Form::Exponent, 1, power))
}

/// The quantity in units of 10⁻⁹, rounded away from zero, and at most the largest one.
fn nanos(mantissa: u128, factor: u128, exponent: i32) -> u128 {
    let most = LARGEST.saturating_mul(NANO);
    let product = mantissa.saturating_mul(factor);
    let power = 10_u128.checked_pow(exponent.unsigned_abs());
    let nanos = match (power, exponent >= 0) {
        (Some(power), true) => product.saturating_mul(power),
        (Some(power), false) => product.div_ceil(power),
        (None, true) if product > 0 => most,
        (None, true) => 0,
        (None, false) => u128::from(product > 0),
    };
    nanos.min(most)
}

fn render(nanos: u128, form: Form) -> (u128, String) {
    let (whole, rest) = (nanos / NANO, nanos % NANO);
    if nanos == 0 {
        return (0, String::new());
    }
    // A part of a unit, or less than one Ki, is shown in decimal.
    if form == Form::Binary && rest == 0 && whole >= 1024 {
        let mut number = whole;
        let mut suffix = "";
        for next in BINARY {
            if number % 1024 != 0 {
                break;
            }
            (number, suffix) = (number / 1024, next);
        }
        return (number, suffix.to_owned());
    }
    let (mut number, mut steps) = (nanos, 0_usize);
    while number % 1000 == 0 && steps < DECIMAL.len().saturating_sub(1) {
        (number, steps) = (number / 1000, steps.saturating_add(1));
    }
    let suffix = DECIMAL.get(steps).copied().unwrap_or_default();
    let exponent = i64::try_from(steps).unwrap_or_default().saturating_mul(3).saturating_sub(9);
    match form {
        Form::Exponent if exponent != 0 => (number, format!("e{exponent}")),
        _ => (number, suffix.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second texts are what Kubernetes 1.36 gives back.
    #[test]
    fn quantities_are_written_as_kubernetes_writes_them() {
        let rows = [
            ("1000m", "1"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1.", "1"),
            ("100m", "100m"),
            ("1500m", "1500m"),
            ("1024Mi", "1Gi"),
            ("1536Mi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("0.5Ki", "512"),
            ("0.1Gi", "107374182400m"),
            ("1023Ki", "1023Ki"),
            ("1024", "1024"),
            ("1000k", "1M"),
            ("1e3", "1e3"),
            ("1000e3", "1e6"),
            ("12E2", "1200"),
            ("1E", "1E"),
            ("0", "0"),
            ("-0", "0"),
            ("0Gi", "0"),
            ("-1000m", "-1"),
            ("+2", "2"),
            ("0.0000000001", "1n"),
            ("100E", "9223372036854775807"),
            ("1e99", "1e99"),
        ];
        for (text, expected) in rows {
            let canonical = canonical(text).unwrap_or_else(|| text.to_owned());
            assert_eq!(canonical, expected, "{text}");
        }
        for text in ["", "x", "1.2.3", "1 Gi", "1KiB", "--1", "."] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn the_canonical_form_is_its_own() {
        let suffixes = BINARY.iter().chain(&DECIMAL).copied().chain(["e3", "E-2"]);
        for suffix in suffixes {
            for number in ["1", "1000", "1024", "0.3", "7.25", "123456789012"] {
                let once = canonical(&format!("{number}{suffix}")).unwrap();
                assert_eq!(canonical(&once).as_deref(), Some(once.as_str()), "{number}{suffix}");
            }
        }
    }
}
