//! Writes the generated files of the package into a folder: `probelet-packaging FOLDER`.
//!
//! - `man/`: `probelet(1)`, a page for each verb, `probelet.toml(5)`, `probelet-annotations(7)`
//! - `completions/`: bash, zsh, fish
//! - `config.toml`: each key as a comment, with its default

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests read their own files"))]

mod config;
mod man;
mod settings;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use probelet::command_line::{CommandLine, completion};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("usage: probelet-packaging FOLDER");
        return ExitCode::from(2);
    };
    match write(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> Result<()> {
    let command = CommandLine::command();
    let [pages, completions] = ["man", "completions"].map(|name| folder.join(name));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    man::write_verbs(&command, &pages)?;
    let settings = settings::of(&command)?;
    put(&pages, "probelet.toml.5", man::configuration(&settings))?;
    put(&pages, "probelet-annotations.7", man::annotations())?;
    for (shell, name) in
        [(Shell::Bash, "probelet"), (Shell::Zsh, "_probelet"), (Shell::Fish, "probelet.fish")]
    {
        put(&completions, name, completion::script(shell)?)?;
    }
    put(folder, "config.toml", config::file(&settings))
}

fn put(folder: &Path, name: impl AsRef<OsStr>, text: impl AsRef<[u8]>) -> Result<()> {
    let path: PathBuf = folder.join(name.as_ref());
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_a_page_and_each_shell_a_script() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
        for verb in CommandLine::command().get_subcommands() {
            let page = read(&format!("man/probelet-{}.1", verb.get_name()));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
        assert!(read("man/probelet.1").contains("probelet.toml(5)"));
        assert!(read("completions/probelet").contains("-F _clap_complete_probelet probelet"));
        assert!(read("completions/_probelet").starts_with("#compdef probelet"));
        assert!(
            read("completions/probelet.fish")
                .contains("complete --keep-order --exclusive --command probelet")
        );
    }
}
