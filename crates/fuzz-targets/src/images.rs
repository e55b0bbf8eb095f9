//! Names of images, and how registries are reached.

use probelet_domain::image::{Keyring, Login, Reference, endpoints, normalise, repository};

use crate::{parts, texts};

/// A name of an image. Its parts, put together, are the same name.
pub fn name(data: &[u8]) {
    let [text] = texts(data);
    let full = normalise(&text);
    assert!(full.starts_with(repository(&full)), "{full:?}");
    let Ok(read) = Reference::parse(&text) else { return };
    assert_eq!(normalise(&full), full, "a complete name stays as it is");
    let tag = read.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = read.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    let written = format!("{}/{}{tag}{digest}", read.registry, read.repository);
    assert_eq!(written, full);
    let is_safe = |part: &str| !part.is_empty() && !matches!(part, "." | "..");
    assert!(read.repository.split('/').all(is_safe), "{:?} is below no folder", read.repository);
    let own = endpoints(&read.registry, None).expect("a registry without a file");
    assert_eq!(own.len(), 1, "{own:?}");
}

/// A registry, and its `hosts.toml`.
pub fn hosts_toml(data: &[u8]) {
    let [registry, text] = texts(data);
    let Ok(found) = endpoints(&registry, Some(&text)) else { return };
    let hosts = text.matches("host").count().saturating_add(1);
    assert!(found.len() <= hosts, "each table is one endpoint at most");
    assert_eq!(endpoints(&registry, Some(&text)), Ok(found));
}

/// Docker's `config.json`, the older `.dockercfg`, and the registry and repository of an image.
pub fn docker_config(data: &[u8]) {
    let [json, registry, repository] = parts(data);
    let (registry, repository) =
        (String::from_utf8_lossy(registry), String::from_utf8_lossy(repository));
    for read in [Keyring::from_docker_config(json), Keyring::from_dockercfg(json)] {
        let Ok(keyring) = read else { continue };
        for login in keyring.logins(&registry, &repository) {
            let shown = format!("{login:?}");
            // A password is not logged.
            match login {
                Login::Basic { username, .. } => {
                    assert_eq!(shown, format!("Basic({username:?}, …)"));
                }
                Login::Bearer(_) => assert_eq!(shown, "Bearer(…)"),
            }
        }
        let back = Keyring::of_logins(keyring.clone().into_logins());
        assert_eq!(back, keyring);
    }
}
