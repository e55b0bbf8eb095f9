//! Kubernetes' quantities: `100m`, `128Mi`, `1e3`.

const BINARY: [(&str, u32); 6] = [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const FORM: &str = "quantities must match the regular expression \
                    '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Reads a quantity in units of 10⁻³, rounded up as Kubernetes rounds.
pub fn millis(text: &str) -> Result<u64, &'static str> {
    scaled(text, 3)
}

/// Reads a quantity in whole units, rounded up as Kubernetes rounds.
///
/// # Errors
///
/// A text for the user if it is not a quantity, is below 0 or above the maximum of `i64`.
pub fn whole(text: &str) -> Result<u64, &'static str> {
    scaled(text, 0)
}

fn scaled(text: &str, scale: i32) -> Result<u64, &'static str> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at_checked(end).ok_or(FORM)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || digits.len() > 30 || part.contains('.') {
        return Err(FORM);
    }
    let mantissa: u128 = digits.parse().map_err(|_| FORM)?;
    let (factor, power) = factor(suffix).ok_or(FORM)?;
    let places = i32::try_from(part.len()).map_err(|_| FORM)?;
    let exponent = power.checked_add(scale).and_then(|e| e.checked_sub(places)).ok_or(FORM)?;
    let too_large = "is too large";
    let product = mantissa.checked_mul(factor).ok_or(too_large)?;
    let value = match u32::try_from(exponent) {
        Ok(up) if product != 0 => {
            let power = 10u128.checked_pow(up).ok_or(too_large)?;
            product.checked_mul(power).ok_or(too_large)?
        }
        Ok(_) => 0,
        Err(_) => match 10u128.checked_pow(exponent.unsigned_abs()) {
            Some(divisor) => product.div_ceil(divisor),
            None => u128::from(product != 0),
        },
    };
    if sign < 0 && value > 0 {
        return Err("must be greater than or equal to 0");
    }
    let value = u64::try_from(value).map_err(|_| too_large)?;
    if i64::try_from(value).is_err() { Err(too_large) } else { Ok(value) }
}

/// Returns the factor of a suffix: a multiplier and a power of ten.
fn factor(suffix: &str) -> Option<(u128, i32)> {
    if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        return Some((1024u128.pow(*power), 0));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Some((1, *power));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let power: i32 = exponent.parse().ok()?;
    (-64..=64).contains(&power).then_some((1, power))
}

/// Writes a number of thousandths as Kubernetes does.
pub fn show_millis(millis: u64) -> String {
    if millis.is_multiple_of(1000) { (millis / 1000).to_string() } else { format!("{millis}m") }
}

/// Writes a quantity with the largest suffix that divides it, a binary one before a decimal one.
pub fn show_whole(value: u64) -> String {
    let binary = BINARY.iter().rev().map(|(suffix, power)| (*suffix, 1024u64.pow(*power)));
    let decimal = DECIMAL.iter().rev().filter(|(_, power)| *power > 0);
    let decimal = decimal.map(|(suffix, power)| (*suffix, 10u64.pow(power.unsigned_abs())));
    let fits = |(_, unit): &(&str, u64)| value > 0 && value.is_multiple_of(*unit);
    match binary.chain(decimal).find(fits) {
        Some((suffix, unit)) => format!("{}{suffix}", value / unit),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("1", Ok(1000)),
            ("100m", Ok(100)),
            ("0.1", Ok(100)),
            (".5", Ok(500)),
            ("2.5", Ok(2500)),
            ("1500u", Ok(2)),
            ("1n", Ok(1)),
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("-1", Err("must be greater than or equal to 0")),
            ("1k", Ok(1_000_000)),
            ("", Err(FORM)),
            ("m", Err(FORM)),
            ("1.2.3", Err(FORM)),
            ("1x", Err(FORM)),
            ("1e40", Err("is too large")),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
        for (text, expected) in [
            ("128Mi", Ok(128 << 20)),
            ("1.5Gi", Ok(3 << 29)),
            ("64M", Ok(64_000_000)),
            ("1e3", Ok(1000)),
            ("1E3", Ok(1000)),
            ("1E", Ok(1_000_000_000_000_000_000)),
            ("100m", Ok(1)),
            ("16Ei", Err("is too large")),
        ] {
            assert_eq!(whole(text), expected, "{text}");
        }
    }

    #[test]
    fn a_printed_quantity_is_read_as_the_same_value() {
        for (value, shown) in
            [(0, "0"), (1, "1"), (1000, "1k"), (1 << 20, "1Mi"), (1536 << 20, "1536Mi")]
        {
            assert_eq!(show_whole(value), shown);
            assert_eq!(whole(shown), Ok(value));
        }
        assert_eq!(show_whole(64_000_000), "62500Ki");
        assert_eq!((show_millis(1500), show_millis(2000)), ("1500m".into(), "2".into()));
    }
}
