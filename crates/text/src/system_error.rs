//! Errors of the operating system, as people read them.

/// Returns the text without the numbers that Rust adds to errors of the operating system:
/// `No such file or directory (os error 2)`.
#[must_use]
pub fn without_number(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(" (os error ") {
        plain.push_str(before);
        match after.split_once(')') {
            Some((number, after)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                rest = after
            }
            _ => {
                plain.push_str(" (os error ");
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_numbers_go() {
        let both = "/a: No such file (os error 2): gone; /b: Denied (os error 13)";
        assert_eq!(without_number(both), "/a: No such file: gone; /b: Denied");
        for text in ["", "a (os error x) b", "a (os error 2"] {
            assert_eq!(without_number(text), text);
        }
    }
}
