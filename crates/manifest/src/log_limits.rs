//! Limits of a container's log, as annotations: `probelet.io/CONTAINER.logMaxSize` and
//! `logMaxFiles`. Without a container's name a limit is for all containers of the pod that have no
//! such annotation.

use probelet_domain::log::{Limits, OwnLimits};
use probelet_domain::spec::{ContainerSpec, PodSpec};

const SIZE: &str = "logMaxSize";
const FILES: &str = "logMaxFiles";
/// The names of the settings.
pub const NAMES: [&str; 2] = [SIZE, FILES];

/// Reads `[CONTAINER.]logMaxSize` and `[CONTAINER.]logMaxFiles`; `None` for another setting.
pub fn read(spec: &mut PodSpec, setting: &str, text: &str) -> Option<Result<(), &'static str>> {
    let (name, setting) = match setting.rsplit_once('.') {
        Some((name, setting)) => (Some(name), setting),
        None => (None, setting),
    };
    let given = match setting {
        SIZE => Limits::parse_size(text)
            .map(|size| OwnLimits { size: Some(size), ..OwnLimits::default() }),
        FILES => Limits::parse_files(text)
            .map(|files| OwnLimits { files: Some(files), ..OwnLimits::default() }),
        _ => return None,
    };
    let only = match name {
        Some(name) => Some(spec.place_of(name)?),
        None => None,
    };
    let given = match given {
        Ok(given) => given,
        Err(why) => return Some(Err(why)),
    };
    for index in 0..spec.count() {
        let Some(container) = spec.at_mut(index) else { continue };
        let before = container.log_limits;
        // The limit of the container counts before that of the pod, in either order of reading.
        let (first, then) = if only == Some(index) { (given, before) } else { (before, given) };
        if only.is_none_or(|only| only == index) {
            container.log_limits =
                OwnLimits { size: first.size.or(then.size), files: first.files.or(then.files) };
        }
    }
    Some(Ok(()))
}

/// The settings of a container, with their values.
pub fn render(container: &ContainerSpec) -> Vec<(String, String)> {
    let OwnLimits { size, files } = container.log_limits;
    let size = size.map(|size| (SIZE, size.to_string()));
    let files = files.map(|files| (FILES, files.to_string()));
    let all = size.into_iter().chain(files);
    all.map(|(setting, value)| (format!("{}.{setting}", container.name), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations;
    use probelet_domain::spec::{Source, sample};

    fn read(set: &[(&str, &str)]) -> (Vec<OwnLimits>, Vec<String>) {
        let mut pod = sample::pod();
        let other = ContainerSpec::bare("other".into(), Source::Image("other:1".into()));
        pod.containers.push(other);
        let key =
            |(setting, text): &(&str, &str)| (format!("probelet.io/{setting}"), (*text).to_owned());
        pod.annotations = set.iter().map(key).collect();
        let mut errors = Vec::new();
        annotations::apply(&mut pod, &mut errors, &mut Vec::new());
        let rendered = annotations::render(&pod);
        let mut again = pod.clone();
        again.containers.iter_mut().for_each(|it| it.log_limits = OwnLimits::default());
        again.annotations = rendered;
        annotations::apply(&mut again, &mut Vec::new(), &mut Vec::new());
        assert_eq!(again, pod, "rendered and read again");
        let limits = pod.containers.iter().map(|it| it.log_limits).collect();
        (limits, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_limits_of_a_pod_are_for_containers_without_limits() {
        let (limits, errors) =
            read(&[("logMaxSize", "1Mi"), ("app.logMaxSize", "2Mi"), ("other.logMaxFiles", "3")]);
        let limit = |size, files| OwnLimits { size: Some(size), files };
        assert_eq!(
            (limits, errors.len()),
            (vec![limit(2 << 20, None), limit(1 << 20, Some(3))], 0)
        );
        // The annotation of `app` is read before that of the pod, that of `other` after it.
        let (limits, _) = read(&[("logMaxFiles", "9"), ("other.logMaxFiles", "4")]);
        let files: Vec<_> = limits.into_iter().map(|limits| limits.files).collect();
        assert_eq!(files, [Some(9), Some(4)]);
    }

    #[test]
    fn an_invalid_limit_is_reported_with_its_value() {
        let (_, errors) = read(&[("logMaxSize", "1Ki"), ("app.logMaxFiles", "1")]);
        let size = "metadata.annotations[probelet.io/logMaxSize]: Invalid value: \"1Ki\": must be a \
                    size";
        let files = "metadata.annotations[probelet.io/app.logMaxFiles]: Invalid value: \"1\": must \
                     be a";
        assert!(errors[1].starts_with(size) && errors[0].starts_with(files), "{errors:?}");
        let (_, errors) = read(&[("missing.logMaxFiles", "4")]);
        assert!(errors[0].contains("names no known setting"), "{errors:?}");
    }
}
