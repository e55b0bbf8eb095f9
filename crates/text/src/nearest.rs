//! The name that a mistyped name was probably meant to be.

/// Returns the name that is nearest to the given one, if it is near enough to be meant: a few letters
/// are wrong, missing, doubled or swapped, or the rest of the name is missing. Case does not count.
#[must_use]
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = given;
    let given = typed.to_lowercase();
    let length = given.chars().count();
    // One wrong letter in three.
    let most = (length / 3).clamp(1, 4);
    let measured = names.into_iter().filter(|name| *name != typed).filter_map(|name| {
        let lower = name.to_lowercase();
        if length >= 3 && lower.starts_with(&given) {
            return Some((1, name));
        }
        // The distance of long names costs time, and is large if their lengths differ.
        if lower.chars().count().abs_diff(length) > most {
            return None;
        }
        let distance = strsim::osa_distance(&given, &lower);
        // A name of one or two letters is near to every other one.
        (distance <= most && length > 2).then_some((distance, name))
    });
    // The first of equally near ones.
    measured.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["web", "kubia-liveness", "livenessProbe", "readinessProbe", "db"];
        for (given, expected) in [
            ("wbe", Some("web")),
            ("wen", Some("web")),
            ("WEB", Some("web")),
            ("kubia", Some("kubia-liveness")),
            ("kubia-livenes", Some("kubia-liveness")),
            ("livenessProb", Some("livenessProbe")),
            ("readynessProbe", Some("readinessProbe")),
            ("nginx", None),
            ("d", None),
            ("", None),
            ("database", None),
        ] {
            assert_eq!(nearest(given, names), expected, "{given}");
        }
        assert_eq!(nearest("web1", ["web2", "web3"]), Some("web2"));
    }
}
