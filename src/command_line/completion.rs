//! Completion of the command line by the shell: verbs and flags by clap, and the names of kinds, pods,
//! containers, images and namespaces by the live daemon. The script of a shell calls this program with
//! [`VARIABLE`] for each completion.

use std::ffi::{OsStr, OsString};
use std::io;

use clap::{Command, Parser};
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCompleter, CompletionCandidate, Shell};

use probelet_cli::Connection;
use probelet_cli::candidates::{Wanted, of_daemon};

/// The environment variable by which the script of a shell asks for candidates.
pub const VARIABLE: &str = "PROBELET_COMPLETE";
const PROGRAM: &str = "probelet";
/// Words that are a type and no name.
const KINDS: [&str; 2] = ["pods", "events"];
const POD: [&str; 1] = ["pod"];

/// Writes the candidates if a shell asks for them; true if it did.
///
/// # Errors
///
/// The shell is unknown, or stdout cannot be written.
pub fn answer(command: fn() -> Command) -> clap::error::Result<bool> {
    let command = || with_names(command());
    let complete = CompleteEnv::with_factory(command).var(VARIABLE).bin(PROGRAM).completer(PROGRAM);
    let folder = std::env::current_dir().ok();
    complete.try_complete(std::env::args_os(), folder.as_deref())
}

/// The script of a shell.
///
/// # Errors
///
/// The shell is unknown.
pub fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let name = shell.to_string();
    let writer = shells.completer(&name).ok_or(io::ErrorKind::Unsupported)?;
    writer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    Ok(script)
}

/// Gives each argument that is a name of the daemon its candidates.
fn with_names(command: Command) -> Command {
    let verbs: Vec<_> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    verbs.into_iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |verb| {
            verb.mut_args(|arg| match completer(arg.get_id().as_str()) {
                Some(completer) => arg.add(ArgValueCompleter::new(completer)),
                None => arg,
            })
        })
    })
}

/// The candidates of an argument, by its name in the definition of its verb.
fn completer(argument: &str) -> Option<fn(&OsStr) -> Vec<CompletionCandidate>> {
    match argument {
        "names" | "pod" | "resource" => Some(pods),
        "container" => Some(|typed| of(typed, Typed::read().containers())),
        "namespace" => Some(|typed| of(typed, Some(Wanted::Namespaces))),
        "image" | "images" => Some(|typed| of(typed, Some(Wanted::Images))),
        _ => None,
    }
}

/// The names of pods; before them the type, if the verb needs one.
fn pods(typed: &OsStr) -> Vec<CompletionCandidate> {
    let line = Typed::read();
    let kinds: &[&str] = match line.verb.as_str() {
        _ if !line.names.is_empty() => &[],
        "get" => &KINDS,
        "delete" | "describe" | "top" => &POD,
        _ => &[],
    };
    if !kinds.is_empty() {
        let fitting = kinds.iter().filter(|kind| kind.starts_with(&*typed.to_string_lossy()));
        return fitting.map(CompletionCandidate::new).collect();
    }
    of(typed, Some(Wanted::Pods(line.namespace)))
}

/// The daemon's names that begin with what is typed.
fn of(typed: &OsStr, wanted: Option<Wanted>) -> Vec<CompletionCandidate> {
    let Some(wanted) = wanted else { return Vec::new() };
    let typed = typed.to_string_lossy();
    let names = of_daemon(&Typed::read().connection, &wanted).into_iter();
    let fitting = names.filter(|(name, _)| name.starts_with(&*typed));
    fitting
        .map(|(name, help)| {
            let help = Some(help).filter(|help| !help.is_empty());
            CompletionCandidate::new(name).help(help.map(Into::into))
        })
        .collect()
}

/// The words of the command line before the one that is completed.
struct Typed {
    connection: Connection,
    verb: String,
    namespace: String,
    /// Words that are neither flags nor their values.
    names: Vec<String>,
}

/// The flags of the connection, and what the environment has for them.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Flags {
    #[command(flatten)]
    connection: Connection,
}

impl Typed {
    fn read() -> Self {
        let words = std::env::args_os().skip_while(|word| word != "--").skip(2);
        let index = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|at| at.parse().ok());
        // The first word is the program.
        let count = index.map_or(usize::MAX, |index: usize| index.saturating_sub(1));
        Self::of(words.take(count).collect())
    }

    fn of(words: Vec<OsString>) -> Self {
        let connection = Flags::try_parse_from(flags_of_connection(&words));
        let connection =
            connection.map_or_else(|_| Connection::default(), |flags| flags.connection);
        let (mut verb, mut namespace, mut names) = (String::new(), String::new(), Vec::new());
        let mut words = words.iter().map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            match word.split_once('=') {
                Some(("-n" | "--namespace", name)) => namespace = name.to_owned(),
                _ if matches!(&*word, "-n" | "--namespace") => {
                    namespace = words.next().unwrap_or_default().into_owned();
                }
                _ if has_value(&word) => drop(words.next()),
                _ if word.starts_with('-') => {}
                _ if verb.is_empty() => verb = word.into_owned(),
                _ => names.push(word.into_owned()),
            }
        }
        Self { connection, verb, namespace, names }
    }

    /// The containers of the pod that is named.
    fn containers(self) -> Option<Wanted> {
        let is_name = |name: &&String| !["pod", "pods", "po"].contains(&name.as_str());
        let pod = self.names.iter().find(is_name)?;
        let pod =
            ["pod/", "pods/", "po/"].iter().find_map(|kind| pod.strip_prefix(kind)).unwrap_or(pod);
        Some(Wanted::Containers { namespace: self.namespace, pod: pod.to_owned() })
    }
}

/// The flags of the connection among the words, with their values.
fn flags_of_connection(words: &[OsString]) -> Vec<OsString> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let name = text.split('=').next().unwrap_or_default();
        if CONNECTION.contains(&name) {
            found.push(word.clone());
            if !text.contains('=') {
                found.extend(words.next().cloned());
            }
        }
    }
    found
}

const CONNECTION: [&str; 6] = [
    "--socket",
    "--address",
    "--client-certificate",
    "--client-key",
    "--certificate-authority",
    "--tls-server-name",
];

fn has_value(flag: &str) -> bool {
    CONNECTION.contains(&flag) || HAVE_VALUES.contains(&flag)
}

/// Further flags whose value is the next word.
const HAVE_VALUES: [&str; 11] = [
    "-o",
    "--output",
    "-l",
    "--selector",
    "-c",
    "--container",
    "--detach-keys",
    "--grace-period",
    "--tail",
    "--since",
    "-s",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        Typed::of(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn the_words_before_name_the_daemon_the_namespace_and_the_pod() {
        let line = typed("--socket /x logs -n prod --tail 5 pod/web -c");
        assert_eq!(line.connection.socket(), std::path::Path::new("/x"));
        assert_eq!((line.verb.as_str(), line.names.len()), ("logs", 1));
        let of_web = Wanted::Containers { namespace: "prod".into(), pod: "web".into() };
        assert_eq!(line.containers(), Some(of_web));
        let line = typed("get pods --socket=/y --namespace=a -o wide");
        assert_eq!(line.connection.socket(), std::path::Path::new("/y"));
        assert_eq!((line.names, line.namespace.as_str()), (vec!["pods".to_owned()], "a"));
        assert_eq!(typed("logs -c").containers(), None);
    }

    #[test]
    fn each_verb_about_pods_completes_their_names() {
        use clap::CommandFactory;
        let command = super::super::CommandLine::command();
        for name in [
            "get",
            "describe",
            "logs",
            "delete",
            "restart",
            "kill",
            "attach",
            "exec",
            "probe",
            "pause",
            "resume",
            "condition",
            "start",
            "stop",
            "wait",
            "export",
            "top",
        ] {
            let verb = command.find_subcommand(name).unwrap();
            let has = verb.get_positionals().any(|arg| completer(arg.get_id().as_str()).is_some());
            assert!(has, "{name}");
        }
        let images = command.find_subcommand("rmi").unwrap();
        assert!(images.get_positionals().any(|arg| arg.get_id() == "images"));
        let run = command.find_subcommand("run").unwrap();
        assert!(run.get_arguments().any(|arg| arg.get_id() == "image"));
    }
}
