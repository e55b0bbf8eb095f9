//! Time zones, from the host's files.

use jiff::tz::TimeZone;

/// The time zone of this name, or the host's without a name. `None` if there is no such zone. The
/// zones that were read are kept by `jiff`.
pub fn zone(name: Option<&str>) -> Option<TimeZone> {
    match name {
        Some(name) => TimeZone::get(name).ok(),
        None => TimeZone::try_system().ok(),
    }
}
