//! Mounts of volumes, both ways.

use k8s_openapi::api::core::v1 as k8s;

use crate::optional_fields::filled;
use probelet_domain::spec::{Propagation, RecursiveReadOnly, SpecError, SubPath, VolumeMount};

pub fn read(
    at: &str,
    given: Option<Vec<k8s::VolumeMount>>,
    errors: &mut Vec<SpecError>,
) -> Vec<VolumeMount> {
    let given = given.unwrap_or_default().into_iter().enumerate();
    let convert = |(index, mount): (usize, k8s::VolumeMount)| {
        let at = format!("{at}.volumeMounts[{index}]");
        let sub_path = match (filled(mount.sub_path), filled(mount.sub_path_expr)) {
            (Some(path), None) => SubPath::Plain(path),
            (None, Some(text)) => SubPath::Expr(text),
            (None, None) => SubPath::None,
            (Some(_), Some(text)) => {
                let why = "subPathExpr and subPath are mutually exclusive";
                errors.push(SpecError::invalid(format!("{at}.subPathExpr"), &text, why));
                SubPath::Expr(text)
            }
        };
        let propagation = filled(mount.mount_propagation).map(|text| {
            let found = Propagation::ALL.into_iter().find(|one| one.as_str() == text);
            found.unwrap_or_else(|| {
                let names = Propagation::ALL.map(Propagation::as_str);
                let field = format!("{at}.mountPropagation");
                errors.push(SpecError::unsupported(field, &text, &names));
                Propagation::None
            })
        });
        let recursive = filled(mount.recursive_read_only).map(|text| {
            let found = RecursiveReadOnly::ALL.into_iter().find(|one| one.as_str() == text);
            found.unwrap_or_else(|| {
                let names = RecursiveReadOnly::ALL.map(RecursiveReadOnly::as_str);
                let field = format!("{at}.recursiveReadOnly");
                errors.push(SpecError::unsupported(field, &text, &names));
                RecursiveReadOnly::Disabled
            })
        });
        VolumeMount {
            name: mount.name,
            mount_path: mount.mount_path,
            sub_path,
            read_only: mount.read_only == Some(true),
            recursive_read_only: recursive.unwrap_or(RecursiveReadOnly::Disabled),
            propagation: propagation.unwrap_or(Propagation::None),
        }
    };
    given.map(convert).collect()
}

pub fn render(mount: &VolumeMount) -> k8s::VolumeMount {
    let (sub_path, sub_path_expr) = match &mount.sub_path {
        SubPath::None => (None, None),
        SubPath::Plain(path) => (Some(path.clone()), None),
        SubPath::Expr(text) => (None, Some(text.clone())),
    };
    let propagation = (mount.propagation != Propagation::None).then(|| mount.propagation.as_str());
    let recursive = mount.recursive_read_only;
    let recursive = (recursive != RecursiveReadOnly::Disabled).then(|| recursive.as_str());
    k8s::VolumeMount {
        mount_path: mount.mount_path.clone(),
        mount_propagation: propagation.map(str::to_owned),
        name: mount.name.clone(),
        read_only: mount.read_only.then_some(true),
        recursive_read_only: recursive.map(str::to_owned),
        sub_path,
        sub_path_expr,
    }
}
