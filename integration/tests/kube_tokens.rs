//! `kubectl create token`, and what the account of a token may do.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{Done, SOON, eventually};
use serde_json::json;

/// kubectl with this token alone.
fn with_token(kube: &Kube, token: &str, args: &[&str]) -> Result<Done> {
    let config = kube.host.path("account");
    let text = kube.kubectl(&["config", "view", "--raw", "-o", "json"])?;
    let mut text: serde_json::Value = serde_json::from_str(&text)?;
    text["users"][0]["user"] = json!({"token": token.trim()});
    std::fs::write(&config, text.to_string())?;
    kube.as_user(&config, args, "")
}

#[test]
fn an_account_has_tokens_and_the_rights_of_one_without_roles() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    kube.kubectl(&["create", "serviceaccount", "robot"])?;
    let token = kube.kubectl(&["create", "token", "robot"])?;
    let who = with_token(&kube, &token, &["auth", "whoami"])?;
    for text in [
        "system:serviceaccount:default:robot",
        "system:serviceaccounts:default",
        "system:authenticated",
    ] {
        ensure!(who.stdout.contains(text), "{text} is not in {}: {}", who.stdout, who.stderr);
    }
    let can = with_token(&kube, &token, &["auth", "can-i", "get", "pods"])?;
    ensure!(can.stdout.starts_with("no"), "{}", can.stdout);
    let pods = with_token(&kube, &token, &["get", "pods"])?;
    ensure!(
        pods.stderr.contains(r#"User "system:serviceaccount:default:robot" cannot list resource"#),
        "{}",
        pods.stderr
    );
    ensure!(with_token(&kube, &token, &["api-resources"])?.stdout.contains("deployments"));
    let refused = kube.refused(&["create", "token", "robot", "--duration=1m"], "")?;
    ensure!(refused.contains("may not specify a duration less than 10 minutes"), "{refused}");
    let refused = kube.refused(&["create", "token", "nobody"], "")?;
    ensure!(refused.contains(r#"serviceaccounts "nobody" not found"#), "{refused}");
    let other = kube.kubectl(&["create", "token", "robot", "--audience=vault"])?;
    let done = with_token(&kube, &other, &["auth", "whoami"])?;
    ensure!(done.stderr.contains("logged in"), "{}: {}", done.stdout, done.stderr);

    // A token ends with the pod that it is bound to, and all end with the account.
    kube.kubectl(&["run", "web", "--image", BUSYBOX_IMAGE, "--", "sleep", "1000"])?;
    let bound = ["create", "token", "robot", "--bound-object-kind=Pod", "--bound-object-name=web"];
    let bound = kube.kubectl(&bound)?;
    ensure!(with_token(&kube, &bound, &["auth", "whoami"])?.code == Some(0));
    kube.kubectl(&["delete", "pod", "web", "--now"])?;
    eventually("the token ends", SOON, || {
        let done = with_token(&kube, &bound, &["auth", "whoami"]).ok()?;
        (done.code != Some(0)).then_some(())
    })?;
    ensure!(with_token(&kube, &token, &["auth", "whoami"])?.code == Some(0));
    kube.kubectl(&["delete", "serviceaccount", "robot"])?;
    kube.kubectl(&["create", "serviceaccount", "robot"])?;
    let done = with_token(&kube, &token, &["auth", "whoami"])?;
    ensure!(done.code != Some(0), "the account of the token was deleted: {}", done.stdout);
    Ok(())
}
