//! ServiceAccounts, which have no rights here but to ask for their own.

use serde_json::Value;

use super::{NONE, NameForm, Rules, metadata_errors};
use crate::status::FieldError;

pub const RULES: Rules = Rules { validate, warning: Some(WARNING), ..NONE };

const WARNING: &str =
    "ServiceAccounts have no rights here, and a token is mounted only where a volume asks for it";

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    metadata_errors(new, old, NameForm::Subdomain)
}
