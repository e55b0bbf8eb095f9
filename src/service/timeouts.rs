//! How long calls wait.

use std::time::Duration;

use super::error::field;
use super::probes::duration;
use crate::domain::spec::SpecError;

/// The time that a stop may take beyond its grace period before the call fails.
pub const MARGIN: Duration = Duration::from_secs(15);
/// The time that a start may take before the call fails.
pub const START: Duration = Duration::from_secs(60);
/// The default and the longest time of `WaitContainer` and `WaitPod`.
const WAIT: Duration = Duration::from_secs(30);
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The timeout of `WaitContainer` and `WaitPod`, checked.
pub fn of_wait(timeout: Option<prost_types::Duration>) -> Result<Duration, SpecError> {
    let timeout = duration("timeout", timeout)?.unwrap_or(WAIT);
    if timeout > WAIT_MAX {
        return Err(field("timeout", "Invalid value: must be one hour at most"));
    }
    Ok(timeout)
}
