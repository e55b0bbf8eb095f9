//! The errors of a request: one answer names all of them.

use crate::domain::spec::{SpecError, SpecErrors};

/// The errors that were found so far.
#[derive(Debug, Default)]
pub struct Findings(Vec<SpecError>);

impl Findings {
    pub fn add(&mut self, error: SpecError) {
        self.0.push(error);
    }

    /// The value of a field, or its default and the error.
    pub fn value<T: Default>(&mut self, read: Result<T, SpecError>) -> T {
        read.unwrap_or_else(|error| {
            self.0.push(error);
            T::default()
        })
    }

    /// Adds the errors of a check of the whole. An error of a field that already has one is left out,
    /// because it is about the default that replaced the field.
    pub fn follow(&mut self, errors: SpecErrors) {
        for error in errors.0 {
            let is_known = |known: &SpecError| {
                let rest = error.field.strip_prefix(known.field.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            if !self.0.iter().any(is_known) {
                self.0.push(error);
            }
        }
    }

    /// The value, if no error was found.
    pub fn end<T>(self, value: T) -> Result<T, SpecErrors> {
        if self.0.is_empty() { Ok(value) } else { Err(SpecErrors(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(field: &str) -> SpecError {
        SpecError { field: field.to_owned(), reason: "r".to_owned() }
    }

    #[test]
    fn an_error_that_follows_from_another_is_left_out() {
        let mut found = Findings::default();
        assert_eq!(found.value::<u32>(Err(error("a.port"))), 0);
        assert_eq!(found.value(Ok(3)), 3);
        let more = ["a.port", "a.port.x", "a.ports", "b", "b"].map(error).to_vec();
        found.follow(SpecErrors(more));
        let fields: Vec<_> = found.end(()).unwrap_err().0.into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["a.port", "a.ports", "b"]);
        assert_eq!(Findings::default().end(1), Ok(1));
    }
}
