//! Wrong usage: clap's errors, with what to type instead of a verb or flag of kubectl, docker or
//! systemctl, and without the texts of Rust's parsers.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use probelet_text::nearest::nearest;
use probelet_text::parser_error::plain;

use super::other_tools;

/// The error of a command line as text, with the colours of clap if `is_coloured`. `verbs` are those of
/// probelet.
pub fn text(error: &clap::Error, args: &[String], verbs: &[&str], is_coloured: bool) -> String {
    let rendered = error.render();
    let text = if is_coloured { rendered.ansi().to_string() } else { rendered.to_string() };
    let text = plain(&text);
    match advice(error, args, verbs) {
        // The advice replaces clap's guess, which knows only probelet's own names.
        Some(advice) => {
            let first = text.lines().next().unwrap_or_default();
            format!("{first}\n\n  tip: {advice}\n\nFor more information, try '--help'.\n")
        }
        None => text,
    }
}

fn advice(error: &clap::Error, args: &[String], verbs: &[&str]) -> Option<String> {
    let invalid = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => Some(name.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = invalid(ContextKind::InvalidSubcommand)?;
            let rest = args.iter().skip_while(|arg| *arg != name).skip(1);
            other_tools::verb(name, rest.map(String::as_str)).or_else(|| near_verb(name, verbs))
        }
        ErrorKind::UnknownArgument => {
            let flag = invalid(ContextKind::InvalidArg)?;
            let flag = flag.split(['=', ' ']).next().unwrap_or(flag);
            args.iter().find_map(|verb| other_tools::flag(verb, flag)).map(str::to_owned)
        }
        _ => None,
    }
}

fn near_verb(name: &str, verbs: &[&str]) -> Option<String> {
    nearest(name, verbs.iter().copied()).map(|near| format!("did you mean `probelet {near}`?"))
}
