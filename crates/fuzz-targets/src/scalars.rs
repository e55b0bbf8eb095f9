//! Short texts: durations, quantities, schedules, signals, paths, variables, escapes.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use probelet_domain::adopt::log_file;
use probelet_domain::log::Limits;
use probelet_domain::spec::capability;
use probelet_domain::spec::sub_path_flaw;
use probelet_domain::{quantity, shorten, signal};
use probelet_kube_wire::quantity::canonical;
use probelet_kube_wire::time::Timestamp as KubeTime;
use probelet_manifest::restart;
use probelet_oci::expansion::{Env, expand, expand_all};
use probelet_text::duration::{LONGEST, parse_or_zero};
use probelet_text::escape::{Escaped, escaped_json};
use probelet_workload::cron::Schedule;
use serde_json::Value;

use crate::{is_exact, texts};

/// One text, read as each of them.
pub fn scalars(data: &[u8]) {
    let [text, env] = texts(data);
    if let Ok(length) = parse_or_zero(&text) {
        assert!(length <= LONGEST);
    }
    let _ = (Limits::parse_size(&text), Limits::parse_files(&text), restart(&text));
    if let Some(number) = signal::parse(&text) {
        assert!((1..=64).contains(&number), "{text:?} is signal {number}");
    }
    if let Some(name) = capability::name(&text) {
        assert_eq!(capability::name(name), Some(name));
    }
    if sub_path_flaw(&text).is_none() {
        assert!(!text.starts_with('/') && text.split('/').all(|part| part != ".."), "{text:?}");
    }
    if let Ok(path) = log_file(&text) {
        assert!(path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path:?}");
    }
    quantities(&text);
    schedule(&text);
    if let Some(time) = KubeTime::parse(&text) {
        let back = KubeTime::parse(&time.to_micros_text());
        assert_eq!(back.map(KubeTime::micros), Some(time.micros()), "{text:?}");
    }
    expansion(&text, &env);
    escapes(&text);
}

fn quantities(text: &str) {
    let (millis, whole) = (quantity::millis(text), quantity::whole(text));
    if let (Ok(millis), Ok(whole)) = (millis, whole) {
        assert!(millis >= whole.saturating_sub(1), "{text:?}: {millis} thousandths, {whole}");
    }
    if let Some(short) = canonical(text) {
        assert_eq!(canonical(&short).as_deref(), Some(short.as_str()), "{text:?}");
    }
}

fn schedule(text: &str) {
    let Ok(schedule) = Schedule::parse(text) else { return };
    let now = Timestamp::from_second(1_795_514_400).expect("a time");
    let Some(next) = schedule.next_after(now, &TimeZone::UTC) else { return };
    assert!(next > now, "{text:?}");
    let last = schedule.last_between(now, next, &TimeZone::UTC);
    assert!(last.is_some_and(|last| last <= next), "{text:?}");
}

fn expansion(text: &str, lines: &str) {
    let mut env = Env::default();
    env.set_all(lines.lines().map(str::to_owned));
    let longest = text.len().max(128 << 10).saturating_add(lines.len()).saturating_add(text.len());
    if let Ok(expanded) = expand(text, &env) {
        assert!(expanded.len() <= longest);
        if !text.contains('$') {
            assert_eq!(expanded, text);
        }
        if let Ok(all) = expand_all(text, &env) {
            assert_eq!(all, expanded);
        }
    }
}

/// Characters that move the cursor, end a line or turn the text round: a list that is not the code's.
fn steers(c: char) -> bool {
    c.is_control()
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}')
}

fn escapes(text: &str) {
    let shown = Escaped(text).to_string();
    assert!(!shown.chars().any(steers), "{shown:?}");
    assert_eq!(Escaped(&shown).to_string(), shown, "an escaped text stays as it is");
    if let Ok(value) = serde_json::from_str::<Value>(text)
        && is_exact(&value)
    {
        let json = escaped_json(&value.to_string());
        assert!(!json.chars().any(steers), "{json:?}");
        assert_eq!(serde_json::from_str::<Value>(&json).ok(), Some(value));
    }
    let mut short = text.to_owned();
    shorten(&mut short, 10);
    assert!(short.len() <= 10 + '…'.len_utf8());
}
