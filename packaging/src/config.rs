//! `/etc/probelet/config.toml`: each key as a comment, with its default or an example.

use crate::settings::Setting;

const HEADER: &str = "\
# Configuration of the probelet daemon: see probelet.toml(5).
#
# Each key is a flag of `probelet serve`. The values here are the defaults, or examples where a key
# has none. Remove the `#` of a key to set it. An unknown key is an error. Keys that are marked
# with [SIGHUP] take effect with `systemctl reload probelet`, all others at the next start.
";
/// The longest line of a description.
const WIDTH: usize = 96;

/// The text of the file.
pub fn file(settings: &[Setting]) -> String {
    let mut text = HEADER.to_owned();
    let mut heading = "";
    for setting in settings {
        if setting.heading != heading {
            heading = &setting.heading;
            text.push_str(&format!("\n# --- {heading} ---\n"));
        }
        let mark = if setting.is_reloaded { " [SIGHUP]" } else { "" };
        text.push('\n');
        for line in wrapped(&format!("{}{mark}", setting.help.replace('\n', " "))) {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("#{} = {}\n", setting.key, setting.toml));
    }
    text
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let fits = lines.last().is_some_and(|line| line.len() + word.len() < WIDTH);
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if fits => line.push_str(&format!(" {word}")),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;
    use probelet::command_line::{CommandLine, parse_serve};

    use super::*;

    fn generated() -> String {
        file(&crate::settings::of(&CommandLine::command()).unwrap())
    }

    fn settings_with(text: &str) -> Result<probelet::daemon::config::Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let line = ["probelet", "serve", "--config", path.to_str().unwrap()];
        let read = parse_serve(line.map(Into::into));
        read.map(|(_, settings)| settings).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_changes_nothing_and_every_key_may_be_uncommented() {
        let text = generated();
        let defaults = settings_with("").unwrap();
        let config = "config".to_owned();
        let without = |mut settings: probelet::daemon::config::Settings| {
            settings.remove(&config);
            settings
        };
        assert_eq!(without(settings_with(&text).unwrap()), without(defaults.clone()));
        let is_key =
            |line: &&str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
        let keys: Vec<&str> = text.lines().filter(is_key).map(|line| &line[1..]).collect();
        let set = settings_with(&keys.join("\n")).unwrap();
        let named: BTreeSet<_> = keys.iter().map(|key| key.split(' ').next().unwrap()).collect();
        for (flag, values) in without(set) {
            let is_of_clients = probelet::daemon::config::NO_KEYS.contains(&flag.as_str());
            assert_eq!(named.contains(flag.as_str()), !is_of_clients, "{flag}");
            // A default is the same after it was read; a key without one has its example.
            let default = &defaults[&flag];
            assert!(
                is_of_clients || default.is_empty() || *default == values,
                "{flag}: {values:?}"
            );
        }
    }

    #[test]
    fn no_line_is_longer_than_a_terminal_of_100_columns() {
        let text = generated();
        let long: Vec<_> = text.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(long.is_empty(), "{long:?}");
    }
}
