//! The kernel's pressure stall information: the share of time in which all tasks were stalled.

use crate::files;
use probelet_domain::brake::Pressure;

/// Reads the host's pressure. Every value is unknown if the kernel does not report pressure.
pub fn read() -> Pressure {
    let full = |of| avg10(&files::read_kernel(format!("/proc/pressure/{of}")).ok()?);
    Pressure { memory: full("memory"), io: full("io") }
}

/// Returns the value of `avg10` in `full avg10=1.23 avg60=… total=…`.
fn avg10(text: &str) -> Option<f64> {
    let full = text.lines().find_map(|line| line.strip_prefix("full "))?;
    full.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let some = "some avg10=12.07 avg60=22.78 avg300=37.64 total=2250908243";
        let full = "full avg10=0.11 avg60=0.65 avg300=0.71 total=101718588";
        assert_eq!(avg10(&format!("{some}\n{full}\n")), Some(0.11));
        assert_eq!(avg10(&format!("{full}\n{some}\n")), Some(0.11));
        assert_eq!(avg10(some), None);
        assert_eq!(avg10("full avg10=x"), None);
    }

    #[test]
    fn what_this_kernel_says_is_a_percentage_or_nothing() {
        let Pressure { memory, io } = read();
        for percent in [memory, io].into_iter().flatten() {
            assert!((0.0..=100.0).contains(&percent));
        }
    }
}
