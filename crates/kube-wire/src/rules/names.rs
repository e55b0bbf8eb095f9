//! The forms of names.

use super::NameForm;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
                     or '-', and must start and end with an alphanumeric character (e.g. \
                     'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                         characters, '-' or '.', and must start and end with an alphanumeric \
                         character (e.g. 'example.com', regex used for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// The rules that a name breaks.
pub fn broken(name: &str, form: NameForm) -> Vec<String> {
    let (longest, text, is_right) = match form {
        NameForm::Label => (63, LABEL, is_label(name)),
        NameForm::Subdomain => (253, SUBDOMAIN, name.split('.').all(is_label)),
    };
    let mut broken = Vec::new();
    if name.len() > longest {
        broken.push(format!("must be no more than {longest} bytes"));
    }
    if !is_right {
        broken.push(text.to_owned());
    }
    broken
}

fn is_label(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}
