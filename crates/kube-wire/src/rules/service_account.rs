//! ServiceAccounts, which give no rights here.

use serde_json::Value;

use super::{NONE, NameForm, Rules, metadata_errors};
use crate::status::FieldError;

pub const RULES: Rules = Rules { validate, warning: Some(WARNING), ..NONE };

const WARNING: &str =
    "ServiceAccounts are only stored: they give no rights and have no tokens here";

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    metadata_errors(new, old, NameForm::Subdomain)
}
