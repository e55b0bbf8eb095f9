//! Errors of Rust's parsers, as people read them.

/// Texts of Rust's parsers, and what to print in their place.
const PARSERS: [(&str, &str); 10] = [
    ("invalid digit found in string", "must be a whole number"),
    ("cannot parse integer from empty string", "must be a whole number, not empty"),
    ("number too large to fit in target type", "is too large"),
    ("number too small to fit in target type", "is too small"),
    ("invalid float literal", "must be a number"),
    ("cannot parse float from empty string", "must be a number, not empty"),
    ("provided string was not `true` or `false`", "must be true or false"),
    ("invalid socket address syntax", "must be ADDRESS:PORT, such as 127.0.0.1:9464"),
    ("invalid uri character", "must be HOST:PORT"),
    ("invalid authority", "must be HOST:PORT"),
];

/// Returns the text with what a value must be, in place of the words of Rust's parsers.
#[must_use]
pub fn plain(text: &str) -> String {
    PARSERS.iter().fold(text.to_owned(), |text, (parser, plain)| text.replace(parser, plain))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn the_texts_are_those_of_the_parsers() {
        let errors = [
            "x".parse::<u8>().unwrap_err().to_string(),
            "".parse::<u8>().unwrap_err().to_string(),
            "256".parse::<u8>().unwrap_err().to_string(),
            "-129".parse::<i8>().unwrap_err().to_string(),
            "x".parse::<f64>().unwrap_err().to_string(),
            "".parse::<f64>().unwrap_err().to_string(),
            "x".parse::<bool>().unwrap_err().to_string(),
            "x".parse::<SocketAddr>().unwrap_err().to_string(),
        ];
        for (error, (_, expected)) in errors.iter().zip(PARSERS) {
            assert_eq!(plain(&format!("a: {error}")), format!("a: {expected}"));
        }
    }
}
