//! How much of a container's log is kept, as annotations: `probelet.io/CONTAINER.logMaxSize` and
//! `logMaxFiles`, without a container for all of the pod that have none of their own.

use probelet_domain::log::{Limits, OwnLimits};
use probelet_domain::spec::{ContainerSpec, PodSpec};

const SIZE: &str = "logMaxSize";
const FILES: &str = "logMaxFiles";

/// Takes `[CONTAINER.]logMaxSize` up; `None` for any other word.
pub(super) fn take(spec: &mut PodSpec, word: &str, text: &str) -> Option<Result<(), &'static str>> {
    let (name, setting) = match word.rsplit_once('.') {
        Some((name, setting)) => (Some(name), setting),
        None => (None, word),
    };
    let given = match setting {
        SIZE => Limits::parse_size(text)
            .map(|size| OwnLimits { size: Some(size), ..OwnLimits::default() }),
        FILES => Limits::parse_files(text)
            .map(|files| OwnLimits { files: Some(files), ..OwnLimits::default() }),
        _ => return None,
    };
    let place = match name {
        Some(name) => Some(spec.place_of(name)?),
        None => None,
    };
    let given = match given {
        Ok(given) => given,
        Err(why) => return Some(Err(why)),
    };
    for index in 0..spec.count() {
        let Some(container) = spec.at_mut(index) else { continue };
        let own = container.log_limits;
        // Whichever of the two is read first, the container's own counts.
        let (first, then) = if place == Some(index) { (given, own) } else { (own, given) };
        if place.is_none_or(|place| place == index) {
            container.log_limits =
                OwnLimits { size: first.size.or(then.size), files: first.files.or(then.files) };
        }
    }
    Some(Ok(()))
}

/// Each word with its value.
pub(super) fn show(container: &ContainerSpec) -> Vec<(String, String)> {
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
        let key = |(word, text): &(&str, &str)| (format!("probelet.io/{word}"), (*text).to_owned());
        pod.annotations = set.iter().map(key).collect();
        let mut errors = Vec::new();
        annotations::apply(&mut pod, &mut errors, &mut Vec::new());
        let shown = annotations::export(&pod);
        let mut again = pod.clone();
        again.containers.iter_mut().for_each(|it| it.log_limits = OwnLimits::default());
        again.annotations = shown;
        annotations::apply(&mut again, &mut Vec::new(), &mut Vec::new());
        assert_eq!(again, pod, "what is shown is what was read");
        let limits = pod.containers.iter().map(|it| it.log_limits).collect();
        (limits, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_pods_limits_are_its_containers_but_where_one_has_its_own() {
        let (limits, errors) =
            read(&[("logMaxSize", "1Mi"), ("app.logMaxSize", "2Mi"), ("other.logMaxFiles", "3")]);
        let own = |size, files| OwnLimits { size: Some(size), files };
        assert_eq!((limits, errors.len()), (vec![own(2 << 20, None), own(1 << 20, Some(3))], 0));
        // `app` is read before the pod's, `other` after it.
        let (limits, _) = read(&[("logMaxFiles", "9"), ("other.logMaxFiles", "4")]);
        let files: Vec<_> = limits.into_iter().map(|limits| limits.files).collect();
        assert_eq!(files, [Some(9), Some(4)]);
    }

    #[test]
    fn a_bad_one_is_named_with_its_value() {
        let (_, errors) = read(&[("logMaxSize", "1Ki"), ("app.logMaxFiles", "1")]);
        let size = "metadata.annotations[probelet.io/logMaxSize]: Invalid value: \"1Ki\": must be a \
                    size";
        let files = "metadata.annotations[probelet.io/app.logMaxFiles]: Invalid value: \"1\": must \
                     be a";
        assert!(errors[1].starts_with(size) && errors[0].starts_with(files), "{errors:?}");
        let (_, errors) = read(&[("nobody.logMaxFiles", "4")]);
        assert!(errors[0].contains("names no known setting"), "{errors:?}");
    }
}
