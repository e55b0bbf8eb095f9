//! The man pages.

use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::settings::Setting;
use crate::{Result, put};
use probelet::manifest::setting_texts::{Annotation, LABELS, OF_CONTAINER, OF_POD, OF_PROBE};

/// Writes `probelet.1` and a page for each verb, `probelet-VERB.1`.
pub fn write_verbs(command: &Command, folder: &Path) -> Result<()> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    put(folder, "probelet.1", page(command.clone(), "probelet")?)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("probelet-{}", verb.get_name());
        let usage = format!("probelet {}", verb.get_name());
        // The name of a page has no space, and a usage line has one.
        let verb = verb.clone().display_name(&name).bin_name(usage);
        put(folder, format!("{name}.1"), page(verb, &name)?)?;
    }
    Ok(())
}

fn page(command: Command, name: &str) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let date = probelet::build_info::date();
    Man::new(command)
        .title(name)
        .date(date)
        .source(source())
        .manual("probelet")
        .render(&mut text)?;
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("probelet(1), probelet.toml(5), probelet-annotations(7), containerd(8)")]);
    text.extend(roff.to_roff().into_bytes());
    Ok(text)
}

/// `probelet.toml(5)`.
pub fn configuration(settings: &[Setting]) -> String {
    let mut roff = start("probelet.toml", "5", "configuration of the probelet daemon");
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([italic("/etc/probelet/config.toml")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "The configuration of probelet serve, in TOML. Each key is a flag of that command and an \
         environment variable. A flag takes precedence over the variable, and both over the file. \
         The file, the folders on the way to it and the files that it names must belong to root, \
         and must not be writable by everyone. An unknown key is an error.",
    )]);
    roff.control("PP", []);
    roff.text([roman(
        "SIGHUP (systemctl reload probelet) reads the file again. A running daemon takes over the \
         keys that say so below; a change of any other key is logged and takes effect at the next \
         start. A file with an error changes nothing.",
    )]);
    let mut heading = "";
    for setting in settings {
        if setting.heading != heading {
            heading = &setting.heading;
            roff.control("SH", [heading.to_uppercase().as_str()]);
        }
        roff.control("TP", []);
        roff.text([bold(&setting.key), roman(" = "), italic(&setting.value)]);
        roff.text(code(&setting.help.replace('\n', " ")));
        roff.control("RS", []);
        let mut facts = vec![format!("Variable: {}.", setting.variable)];
        if let Some(default) = &setting.default {
            facts.push(format!("Default: {default}."));
        }
        if setting.is_reloaded {
            facts.push("Taken over at SIGHUP.".to_owned());
        }
        roff.text([roman(facts.join(" "))]);
        roff.control("RE", []);
    }
    end(roff)
}

/// `probelet-annotations(7)`.
pub fn annotations() -> String {
    let mut roff = start(
        "probelet-annotations",
        "7",
        "annotations of pods and labels of containers that probelet reads",
    );
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "Settings for which Kubernetes has no field are annotations of the pod (metadata.annotations). \
         Values are strings. An annotation that begins with probelet.io/ and is not listed here is \
         an error.",
    )]);
    let groups: [(&str, &[Annotation]); 3] = [
        ("ANNOTATIONS OF A POD", &OF_POD),
        ("ANNOTATIONS OF A CONTAINER", &OF_CONTAINER),
        ("ANNOTATIONS OF A PROBE", &OF_PROBE),
    ];
    for (heading, annotations) in groups {
        roff.control("SH", [heading]);
        for Annotation { key, example, text } in annotations {
            roff.control("TP", []);
            roff.text([
                bold(format!("probelet.io/{key}")),
                roman(": "),
                italic(format!("{example:?}")),
            ]);
            roff.text(code(text));
        }
    }
    roff.control("SH", ["LABELS OF ADOPTED CONTAINERS"]);
    roff.text([roman(
        "A container of another client of containerd is adopted by these labels, in the namespaces \
         of serve --watch-namespaces. Labels of its image do not count.",
    )]);
    for (label, text) in LABELS {
        roff.control("TP", []);
        roff.text([bold(label)]);
        roff.text(code(text));
    }
    end(roff)
}

fn start(name: &str, section: &str, summary: &str) -> Roff {
    let mut roff = Roff::new();
    let date = probelet::build_info::date();
    roff.control("TH", [name, section, date.as_str(), source().as_str(), "probelet"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {summary}"))]);
    roff
}

fn end(mut roff: Roff) -> String {
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("probelet(1), probelet-serve(1), probelet.toml(5), probelet-annotations(7)")]);
    roff.to_roff()
}

fn source() -> String {
    format!("probelet {}", probelet::build_info::VERSION)
}

/// Text in which what is between backticks is bold.
fn code(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) }).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use probelet::command_line::CommandLine;

    use super::*;

    #[test]
    fn the_page_of_the_configuration_has_every_key_and_what_is_reloaded() {
        let settings = crate::settings::of(&CommandLine::command()).unwrap();
        let page = configuration(&settings);
        for setting in &settings {
            let key = setting.key.replace('-', "\\-");
            assert!(page.contains(&format!("\\fB{key}\\fR = ")), "{}: {page}", setting.key);
        }
        let reloaded = settings.iter().filter(|setting| setting.is_reloaded).count();
        assert_eq!(page.matches("Taken over at SIGHUP.").count(), reloaded);
        assert!(reloaded > 10 && page.contains("PROBELET_KILL_BURST"));
    }

    #[test]
    fn the_page_of_the_annotations_has_every_key() {
        let page = annotations();
        for Annotation { key, .. } in OF_POD.iter().chain(&OF_CONTAINER).chain(&OF_PROBE) {
            assert!(page.contains(&format!("probelet.io/{key}")), "{key}: {page}");
        }
    }
}
