//! What a field of a pod means here, for `probelet explain`.

use probelet_text::nearest::nearest;

use crate::field_texts::TEXTS;
use crate::fields::{Rule, TABLE};
use crate::table_names::{PROBE, in_manifest, in_table};

/// A field and those below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The path as it was asked for, without `pod` before it and without indices.
    pub path: String,
    /// How the field is treated; `None` if that differs among the fields below it.
    pub treatment: Option<String>,
    /// What it means; empty if it has no effect.
    pub text: &'static str,
    /// The names of the fields below it, each with its treatment if it is not honoured.
    pub fields: Vec<(String, String)>,
}

/// Explains `spec.containers.livenessProbe`; the empty path is the pod itself.
///
/// # Errors
///
/// There is no such field here: the near one, if there is one.
pub fn explain(path: &str) -> Result<Explanation, Option<String>> {
    let path = without_kind(path);
    let key = key(&path);
    let below = fields_below(&key);
    let rule = rule_of(&key);
    if !key.is_empty() && rule.is_none() && below.is_empty() {
        return Err(near(&path));
    }
    let has_own_rule = TABLE.iter().any(|(pattern, _)| plain(pattern) == key) || below.is_empty();
    let treatment = rule.filter(|_| has_own_rule).map(treatment);
    Ok(Explanation { path, treatment, text: text_of(&key), fields: below })
}

fn without_kind(path: &str) -> String {
    let path = path.trim_matches('.');
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match first {
        "pod" | "pods" | "po" => rest.to_owned(),
        _ => path.to_owned(),
    }
    .split('.')
    .map(|part| part.split('[').next().unwrap_or(part))
    .collect::<Vec<_>>()
    .join(".")
}

/// `spec.initContainers.livenessProbe` → `spec.containers.<probe>`.
fn key(path: &str) -> String {
    path.split('.').map(in_table).collect::<Vec<_>>().join(".")
}

fn plain(pattern: &str) -> String {
    pattern.replace("[]", "")
}

/// The rule of the field, or of the one above it that holds for all fields below.
fn rule_of(key: &str) -> Option<Rule> {
    let is_of = |pattern: &str| {
        let pattern = plain(pattern);
        key.strip_prefix(&pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    TABLE.iter().find(|(pattern, _)| is_of(pattern)).map(|(_, rule)| *rule)
}

fn treatment(rule: Rule) -> String {
    match rule {
        Rule::Honoured => "honoured".to_owned(),
        Rule::Warned(why) | Rule::WarnedBut(_, why) => format!("no effect: {why}"),
        Rule::Only(values) => format!("may only be {}", values.join(" or ")),
        Rule::Refused(why) => format!("refused: {why}"),
    }
}

/// The fields directly below this one.
fn fields_below(key: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (pattern, rule) in TABLE {
        let pattern = plain(pattern);
        let rest = match key {
            "" => Some(pattern.as_str()),
            key => pattern.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')),
        };
        let Some(rest) = rest else { continue };
        let (name, is_leaf) = rest.split_once('.').map_or((rest, true), |(name, _)| (name, false));
        for name in in_manifest(name) {
            if fields.iter().all(|(known, _)| known != name) {
                let treatment = match rule {
                    Rule::Honoured => String::new(),
                    _ if !is_leaf => String::new(),
                    rule => treatment(*rule),
                };
                fields.push((name.to_owned(), treatment));
            }
        }
    }
    fields
}

/// The text of the field, or of the nearest one above it.
fn text_of(key: &str) -> &'static str {
    if matches!(rule_of(key), Some(Rule::Warned(_) | Rule::WarnedBut(..) | Rule::Refused(_))) {
        return "";
    }
    let mut at = key;
    loop {
        if let Some((_, text)) = TEXTS.iter().find(|(path, _)| *path == at) {
            return text;
        }
        match at.rsplit_once('.') {
            Some((above, _)) => at = above,
            None => return "",
        }
    }
}

/// The field that was probably meant: with a near name beside it, or elsewhere in the pod.
fn near(path: &str) -> Option<String> {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let beside = fields_below(&key(parent));
    if let Some(found) = nearest(name, beside.iter().map(|(name, _)| name.as_str())) {
        return Some(if parent.is_empty() {
            found.to_owned()
        } else {
            format!("{parent}.{found}")
        });
    }
    let wanted = key(name);
    let ends_so = |(pattern, _): &&(&str, Rule)| {
        let pattern = plain(pattern);
        pattern.split('.').any(|part| part == wanted)
    };
    let (pattern, _) = TABLE.iter().find(ends_so)?;
    let pattern = plain(pattern);
    let end = pattern.split('.').position(|part| part == wanted)?;
    let parts: Vec<_> = pattern.split('.').take(end).collect();
    Some(format!("{}.{name}", parts.join(".").replace(PROBE, "livenessProbe")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        explain(path).unwrap().fields.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_field_is_found_as_people_write_it() {
        for path in [
            "pod.spec.containers.livenessProbe",
            "spec.containers[].livenessProbe",
            "pods.spec.initContainers[0].startupProbe.",
        ] {
            let found = explain(path).unwrap();
            assert!(found.text.starts_with("A check by probelet"), "{path}: {found:?}");
            assert!(found.fields.iter().any(|(name, _)| name == "periodSeconds"), "{found:?}");
        }
        assert_eq!(
            explain("spec.containers.lifecycle.preStop").unwrap().treatment.unwrap(),
            "honoured"
        );
        let os = explain("spec.os.name").unwrap();
        assert_eq!(os.treatment.as_deref(), Some("may only be linux"));
        let node = explain("spec.nodeName").unwrap();
        assert_eq!(
            (node.treatment.unwrap().as_str(), node.text),
            ("no effect: there is no scheduler here", "")
        );
        assert!(names("pod").contains(&"spec".to_owned()));
        assert!(names("spec").contains(&"initContainers".to_owned()));
        assert!(names("spec.containers").contains(&"readinessProbe".to_owned()));
    }

    #[test]
    fn an_unknown_field_leads_to_a_known_one() {
        let near = |path| explain(path).unwrap_err();
        assert_eq!(near("spec.container").as_deref(), Some("spec.containers"));
        assert_eq!(near("livenessProbe").as_deref(), Some("spec.containers.livenessProbe"));
        assert_eq!(near("httpGet").as_deref(), Some("spec.containers.livenessProbe.httpGet"));
        assert_eq!(near("spec.xyzzy"), None);
    }

    #[test]
    fn each_field_with_an_effect_has_a_text() {
        for (pattern, rule) in TABLE {
            if matches!(rule, Rule::Honoured | Rule::Only(_)) {
                let path = plain(pattern);
                let own = |at: &str| TEXTS.iter().any(|(text, _)| *text == at);
                let groups = ["spec", "metadata", "spec.containers", "spec.volumes"];
                let above = path.match_indices('.').map(|(end, _)| &path[..end]);
                let has_text = own(&path) || above.filter(|at| !groups.contains(at)).any(own);
                assert!(has_text, "{pattern} has no text");
            }
        }
        for (path, _) in TEXTS {
            let is_known = TABLE.iter().any(|(pattern, _)| plain(pattern).starts_with(path));
            assert!(is_known, "{path} is no field");
        }
    }
}
