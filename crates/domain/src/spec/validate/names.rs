//! Kubernetes' rules for names. Each function returns the texts of the rules that are broken.

pub fn dns_label(name: &str) -> Vec<String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let mut broken = Vec::new();
    if name.len() > 63 {
        broken.push("must be no more than 63 bytes".to_owned());
    }
    let edge = name.is_empty() || name.starts_with('-') || name.ends_with('-');
    if edge || !name.chars().all(inner) {
        broken.push(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
             and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
             regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    broken
}

/// Checks a qualified name: a name, optionally with a domain and a slash before it.
pub fn qualified(name: &str) -> Vec<String> {
    let (prefix, own) = match name.split_once('/') {
        Some((prefix, own)) => (Some(prefix), own),
        None => (None, name),
    };
    let mut broken: Vec<String> = match prefix {
        Some("") => vec!["prefix part must be non-empty".to_owned()],
        Some(prefix) => {
            let broken = dns_subdomain(prefix).into_iter();
            broken.map(|broken| format!("prefix part {broken}")).collect()
        }
        None => Vec::new(),
    };
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_edge = |c: char| c.is_ascii_alphanumeric();
    if own.is_empty() {
        broken.push("name part must be non-empty".to_owned());
    } else if own.len() > 63 {
        broken.push("name part must be no more than 63 bytes".to_owned());
    }
    if !(own.chars().all(inner) && own.starts_with(is_edge) && own.ends_with(is_edge)) {
        broken.push(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', \
             regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
                .to_owned(),
        );
    }
    broken
}

/// Checks the value of a label, which may be empty.
pub fn label_value(value: &str) -> Vec<String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_edge = |c: char| c.is_ascii_alphanumeric();
    let mut broken = Vec::new();
    if value.len() > 63 {
        broken.push("must be no more than 63 bytes".to_owned());
    }
    let has_edges = value.starts_with(is_edge) && value.ends_with(is_edge);
    let is_valid = value.is_empty() || has_edges && value.chars().all(inner);
    if !is_valid {
        broken.push(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' \
             or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
             'my_value',  or '12345', regex used for validation is \
             '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                .to_owned(),
        );
    }
    broken
}

pub fn port_name(name: &str) -> Vec<String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let rules = [
        (name.len() > 15, "must be no more than 15 bytes"),
        (
            name.is_empty() || !name.chars().all(inner),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (!name.chars().any(|c| c.is_ascii_lowercase()), "must contain at least one letter (a-z)"),
        (name.contains("--"), "must not contain consecutive hyphens"),
        (name.starts_with('-') || name.ends_with('-'), "must not begin or end with a hyphen"),
    ];
    rules.into_iter().filter(|(bad, _)| *bad).map(|(_, text)| text.to_owned()).collect()
}

pub fn header_name(name: &str) -> Vec<String> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Vec::new();
    }
    vec![
        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', \
         regex used for validation is '[-A-Za-z0-9]+')"
            .to_owned(),
    ]
}

pub fn env_name(name: &str) -> Vec<String> {
    if name.chars().all(|c| (' '..='~').contains(&c) && c != '=') {
        return Vec::new();
    }
    vec![
        "a valid environment variable name must consist only of printable ASCII characters other \
         than '='"
            .to_owned(),
    ]
}

pub fn dns_subdomain(name: &str) -> Vec<String> {
    subdomain(name, false)
}

/// Checks a search domain of a resolver, which may have underscores, as in `_tcp`.
pub fn dns_search(name: &str) -> Vec<String> {
    subdomain(name, true)
}

fn subdomain(name: &str, underscores: bool) -> Vec<String> {
    let mut broken = Vec::new();
    if name.len() > 253 {
        broken.push("must be no more than 253 bytes".to_owned());
    }
    let inner = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_' && underscores
    };
    let label = |part: &str| {
        !part.is_empty()
            && part.chars().all(inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if !name.split('.').all(label) {
        broken.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character (e.g. \
             'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .to_owned(),
        );
    }
    broken
}
