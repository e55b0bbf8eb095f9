//! The error of a text that is not YAML or exceeds a bound, with its position.

use crate::field_path::WHOLE;
use probelet_domain::spec::SpecError;

/// Line and column of a text, from 1.
pub type Mark = (u32, u32);

/// Why a text cannot be read, and the line and column of the cause if it has one.
#[derive(Debug)]
pub struct Unreadable {
    pub(crate) error: SpecError,
    pub(crate) at: Option<Mark>,
}

impl From<Unreadable> for SpecError {
    fn from(unreadable: Unreadable) -> Self {
        unreadable.error
    }
}

impl From<SpecError> for Unreadable {
    fn from(error: SpecError) -> Self {
        Self { error, at: None }
    }
}

impl From<serde_norway::Error> for Unreadable {
    fn from(error: serde_norway::Error) -> Self {
        let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let at = error.location().map(|at| (whole(at.line()), whole(at.column())));
        Self { error: SpecError::new(WHOLE, error.to_string()), at }
    }
}
