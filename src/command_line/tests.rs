use std::time::Duration;

use super::*;
use crate::daemon::config::NO_KEYS;

fn args(args: &[&str]) -> Vec<OsString> {
    ["probelet", "serve"].iter().chain(args).map(OsString::from).collect()
}

fn serve(file: &str, flags: &[&str]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, file).unwrap();
    match serve_with(args(flags), &path) {
        Ok((config, _)) => Ok(config),
        Err(error) => {
            let text = error.to_string();
            Err(text.replace(&folder.path().display().to_string(), "DIR"))
        }
    }
}

#[test]
fn clap_accepts_the_definition() {
    CommandLine::command().debug_assert();
}

#[test]
fn the_socket_may_be_given_anywhere() {
    let line = ["probelet", "get", "pods", "--socket", "/x", "-o", "wide"];
    assert_eq!(CommandLine::parse_from(line).connection.socket(), Path::new("/x"));
}

#[test]
fn serve_refuses_the_address_of_a_daemon() {
    let error = parse(args(&["--address", "host:1"])).unwrap_err().to_string();
    assert!(error.contains("a daemon has --listen"), "{error}");
}

#[test]
fn a_completion_script_names_the_program() {
    let script =
        String::from_utf8(completion::script(clap_complete::Shell::Bash).unwrap()).unwrap();
    assert!(script.contains("-F _clap_complete_probelet probelet"), "{script}");
}

#[test]
fn each_flag_of_serve_is_a_key() {
    let mut flags = Vec::new();
    let root = CommandLine::command();
    let serve = root.find_subcommand("serve").unwrap();
    for arg in root.get_arguments().chain(serve.get_arguments()) {
        let long = arg.get_long().unwrap();
        if NO_KEYS.contains(&long) {
            continue;
        }
        let default = arg.get_default_values().first().map(|v| v.to_str().unwrap().to_owned());
        let value = default.unwrap_or_else(|| match long {
            "metrics-address" => "127.0.0.1:1".to_owned(),
            "kube-api" => "127.0.0.1:6443".to_owned(),
            "log-format" => "json".to_owned(),
            "manifest-dir" => "/etc/probelet/manifests".to_owned(),
            "listen" => "127.0.0.1:7443".to_owned(),
            "tls-cert" | "tls-key" | "tls-client-ca" => "/x/file.pem".to_owned(),
            "registry-config" => "/x/config.json".to_owned(),
            "registry-realm" => "r.example=https://auth.example".to_owned(),
            other => panic!("a value for {other}?"),
        });
        let name = format!("PROBELET_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(arg.get_env().unwrap(), name.as_str());
        flags.push(format!("{long} = {value:?}"));
    }
    assert!(flags.len() >= 14);
    self::serve(&flags.join("\n"), &[]).unwrap();
}

#[test]
fn a_flag_overrides_the_file_and_the_file_overrides_the_default() {
    let file = "socket = '/file'\nkill-burst = 3\nno-brake = true\nstorm-share = 0.25\n";
    let config = serve(file, &["--kill-burst", "4"]).unwrap();
    assert_eq!(config.socket, PathBuf::from("/file"));
    assert_eq!(config.brake.limits(), None);
    let config = serve(file, &["--kill-burst", "4", "--no-brake=false"]).unwrap();
    let limits = config.brake.limits().unwrap();
    assert_eq!((limits.burst, limits.storm_share), (4, 0.25));
    assert_eq!(limits.refill, Duration::from_secs(6));
}

#[test]
fn an_error_of_the_file_has_its_line() {
    let cases = [
        ("# here\n\nkill-brust = 3", "DIR/config.toml:3: unknown key \"kill-brust\""),
        ("config = 'x'", "DIR/config.toml:1: unknown key \"config\""),
        (
            "\nkill-refill = '1ms'",
            "DIR/config.toml:2: kill-refill: invalid value '1ms' for '--kill-refill <DURATION>': \
             must be from 100ms to 1h",
        ),
        (
            "metrics-address = 'here'",
            "DIR/config.toml:1: metrics-address: invalid value 'here' for '--metrics-address \
             <ADDR>': must be ADDRESS:PORT, such as 127.0.0.1:9464",
        ),
        (
            "[brake]\nburst = 1",
            "DIR/config.toml:1: brake: must be a string, a number or a boolean, not a table",
        ),
    ];
    for (file, expected) in cases {
        assert_eq!(serve(file, &[]).unwrap_err(), expected);
    }
    let garbled = serve("socket = '/a'\nlog-dir = ", &[]).unwrap_err();
    assert!(garbled.starts_with("DIR/config.toml:2: "), "{garbled}");
}

#[test]
fn only_a_file_that_is_named_must_exist() {
    let nowhere = Path::new("/nonexistent/config.toml");
    parse_with(args(&[]), nowhere).unwrap();
    let error = parse_with(args(&["--config", "/nonexistent/x"]), nowhere).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/x: "), "{error}");
}

#[test]
fn settings_have_every_flag_with_its_value() {
    let (_, settings) = serve_with(args(&["--kill-burst=3"]), Path::new("/nonexistent")).unwrap();
    let value = |flag: &str| settings[flag].iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(value("kill-burst"), ["3"]);
    assert_eq!(value("socket"), ["/run/probelet/probelet.sock"]);
    assert_eq!(value("cni-bin-dir"), ["/opt/cni/bin", "/usr/lib/cni"]);
    assert!(value("manifest-dir").is_empty());
    for flag in Config::RELOADED {
        assert!(settings.contains_key(flag), "{flag}");
    }
}

/// The text of an error, as it is printed.
fn refusal(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let error = CommandLine::try_parse_from(&words).unwrap_err();
    usage_text(&error, &words[1..], false)
}

/// clap checks the types of arguments only when they are read.
#[test]
fn no_verb_has_a_flag_of_the_connection_for_another_purpose() {
    let command = CommandLine::command();
    let of_all: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    for verb in command.get_subcommands() {
        let mut flags = verb.get_arguments().filter_map(clap::Arg::get_long);
        assert_eq!(flags.find(|flag| of_all.contains(flag)), None, "{}", verb.get_name());
    }
}

#[test]
fn the_advice_for_other_tools_names_what_exists() {
    let command = CommandLine::command();
    let own: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    for (verb, advice) in other_tools::verbs() {
        assert!(!own.contains(&verb), "{verb} is probelet's own");
        for named in advice.split("`probelet ").skip(1) {
            let name = named.split([' ', '`']).next().unwrap();
            assert!(own.contains(&name), "{verb}: there is no verb {name}");
        }
    }
}

#[test]
fn a_verb_of_another_tool_leads_to_ours() {
    for (line, expected) in [
        ("probelet ps -a", "tip: for `ps` of docker: `probelet get pods`"),
        ("probelet rm web", "tip: for `rm` of docker: `probelet delete pod web`"),
        ("probelet inspect pod/web", "`probelet describe pod web`"),
        ("probelet rollout restart deployment/web", "`probelet restart web`"),
        ("probelet run --name web nginx", "tip: the name comes first"),
        ("probelet stop -t 10 web", "tip: --grace-period SECONDS"),
        ("probelet gte pods", "tip: did you mean `probelet get`?"),
        ("probelet get pods --al-namespaces", "'--all-namespaces'"),
    ] {
        let text = refusal(line);
        assert!(text.contains(expected), "{line}: {text}");
    }
}

#[test]
fn no_error_has_words_of_rusts_parsers() {
    for (line, expected) in [
        ("probelet logs web --tail x", "must be a whole number"),
        ("probelet logs web --limit-bytes 99999999999999999999999", "is too large"),
        ("probelet run web --image i --port 70000", "70000 is not in"),
        ("probelet run web --image i --port x", "must be a whole number"),
        ("probelet serve --storm-share x", "must be "),
        ("probelet serve --metrics-address here", "must be ADDRESS:PORT"),
        ("probelet serve --log-max-files x", "must be "),
        ("probelet get pods --address a/b", "must be HOST:PORT"),
        ("probelet logs web --since-time now", "must be a time such as"),
        ("probelet pause web --for ten", "must be a time like 10, 10s or 1m30s"),
        ("probelet delete pod web --wait=no", "[possible values: true, false]"),
    ] {
        let text = refusal(line);
        assert!(text.contains(expected), "{line}: {text}");
        for word in ["digit", "literal", "parse", "syntax", "FromStr", "strconv"] {
            assert!(!text.to_lowercase().contains(word), "{line}: {text}");
        }
    }
}
