//! `explain`: a field of a pod, or the annotations that are settings.

use super::error::{Error, Result};
use super::io::Io;
use super::printed::{Printed, put};
use probelet_manifest::setting_texts::{Annotation, OF_CONTAINER, OF_POD, OF_PROBE};
use probelet_manifest::{Explanation, explain};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `pod`, a field such as `pod.spec.containers.livenessProbe`, or `annotations`.
    #[arg(value_name = "FIELD", default_value = "pod")]
    field: String,
}

/// Needs no daemon.
pub fn run(args: &Args, io: &mut Io<'_>) -> Result<()> {
    let field = args.field.as_str();
    if field.contains("probelet.io") || matches!(field, "annotation" | "annotations") {
        return io.print(&settings().elastic(2));
    }
    match explain(field) {
        Ok(found) => io.print(&layout(&found).elastic(2)),
        Err(near) => {
            let error = Error::Usage(format!("there is no field {field:?} of a pod"));
            Err(match near {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error.hint("`probelet explain pod` lists the fields"),
            })
        }
    }
}

fn layout(found: &Explanation) -> Printed {
    let mut out = Printed::default();
    let path = if found.path.is_empty() { "pod" } else { &found.path };
    put!(out, "FIELD:\t{}", path);
    if let Some(treatment) = &found.treatment {
        put!(out, "HERE:\t{}", treatment);
    }
    if !found.text.is_empty() {
        put!(out, "\n{}", found.text);
    }
    if !found.fields.is_empty() {
        put!(out, "\nFIELDS:");
        for (name, treatment) in &found.fields {
            match treatment.as_str() {
                "" => put!(out, "  {}", name),
                treatment => put!(out, "  {}\t{}", name, treatment),
            }
        }
    }
    out
}

fn settings() -> Printed {
    let mut out = Printed::default();
    let groups: [(&str, &[Annotation]); 3] = [
        ("Of the pod", &OF_POD),
        ("Of a container, by its name", &OF_CONTAINER),
        ("Of a probe: liveness, readiness or startup", &OF_PROBE),
    ];
    for (title, settings) in groups {
        put!(out, "{}:", title);
        for setting in settings {
            put!(out, "  probelet.io/{}: {}", setting.key, setting.example);
            put!(out, "      {}", setting.text);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(field: &str) -> (String, u8) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = Args { field: field.to_owned() };
        let result = run(&args, &mut Io::new(&mut out, &mut err));
        let text = String::from_utf8(out).unwrap();
        match result {
            Ok(()) => (text, 0),
            Err(error) => (error.lines().join("\n"), error.exit_code()),
        }
    }

    #[test]
    fn a_field_its_treatment_and_those_below_it() {
        let (text, code) = explained("pod.spec.containers.ports");
        assert_eq!(code, 0);
        let expected = "FIELD:  spec.containers.ports\n\nThe ports that the container listens on, \
                        which probes may name.\n\nFIELDS:\n  name\n  containerPort\n";
        assert!(text.starts_with(expected), "{text}");
        let (text, _) = explained("annotations");
        assert!(
            text.contains("  probelet.io/CONTAINER.maxRestarts: 5\n      The number of"),
            "{text}"
        );
        let (text, code) = explained("spec.livenesProbe");
        assert!(
            code == 2 && text.ends_with("hint: `probelet explain pod` lists the fields"),
            "{text}"
        );
        assert!(
            explained("livenessProbe")
                .0
                .ends_with("did you mean \"spec.containers.livenessProbe\"?")
        );
    }
}
