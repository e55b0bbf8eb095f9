//! Whether something keeps the host's clock right.
#![allow(unsafe_code, reason = "neither std nor rustix has adjtimex")]

use std::mem::MaybeUninit;

/// Returns whether the kernel's clock is synchronized, by NTP for example; `None` if the kernel does
/// not say. A clock that is not synchronized may be right all the same.
#[must_use]
pub fn is_synchronized() -> Option<bool> {
    // Without modes the call changes nothing, and needs no capability.
    let mut state = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: the pointer is valid for the whole structure, all fields of which are integers, so that
    // zeroes are valid values.
    let (code, state) = unsafe { (libc::adjtimex(state.as_mut_ptr()), state.assume_init()) };
    (code >= 0).then_some(state.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_timedatectl_says() {
        let Some(is_synchronized) = is_synchronized() else { return };
        let mut command = std::process::Command::new("timedatectl");
        let asked = command.args(["show", "--property=NTPSynchronized", "--value"]).output();
        // Without systemd there is nothing to compare it with.
        if let Ok(asked) = asked.map(|asked| String::from_utf8(asked.stdout).unwrap())
            && let Some(expected) = ["no", "yes"].iter().position(|word| asked.trim() == *word)
        {
            assert_eq!(usize::from(is_synchronized), expected);
        }
    }
}
