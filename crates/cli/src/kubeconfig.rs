//! `kubeconfig` and `kubeconfig revoke`.

use std::time::Duration;

use probelet_text::duration;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use probelet_api::pb;

const DAY: u64 = 24 * 3600;
const YEAR: u64 = 365 * DAY;
/// The environment variables that name the user, the first one under sudo.
const USERS: [&str; 3] = ["SUDO_USER", "USER", "LOGNAME"];

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The user may only read, and no Secrets: no commands in containers, no port-forward. Without
    /// it the user may do everything, so it is root of this host in effect.
    #[arg(long)]
    view: bool,
    /// The name of the user, for the log and for `revoke`. [default: your user name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long the credential is valid, such as 12h, 30d or 1y. From 1m to 10y.
    #[arg(long, value_name = "DURATION", default_value = "1y", value_parser = ttl)]
    ttl: Duration,
    /// The URL by which the client reaches the daemon, such as https://box.example:6443. [default:
    /// the address of --kube-api]
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    server: String,
    /// A bearer token in place of a client certificate, for clients that cannot use one.
    #[arg(long)]
    token: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Revoke all credentials of a user.
    Revoke {
        /// The name of the user.
        name: String,
    },
}

/// Reads a duration as Go writes it, or whole days or years.
fn ttl(text: &str) -> std::result::Result<Duration, String> {
    let units = [("d", DAY), ("y", YEAR)];
    let found = units.iter().find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length)));
    let Some((number, length)) = found else {
        return duration::parse(text).map_err(|_| "must be a time like 12h, 30d or 1y".to_owned());
    };
    let number: Option<u32> = number.parse().ok();
    let seconds = number.and_then(|number| u64::from(number).checked_mul(*length));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("{number:?} is no whole number"))
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let mut kubeconfigs = client.kubeconfigs();
    if let Some(Action::Revoke { name }) = &args.action {
        let request = pb::RevokeKubeconfigRequest { name: name.clone() };
        call(request, UNARY, |r| kubeconfigs.revoke_kubeconfig(r)).await?;
        return io.line(&format!("the credentials of {name:?} are revoked"));
    }
    let role = if args.view { pb::KubernetesRole::View } else { pb::KubernetesRole::Admin };
    let ttl = prost_types::Duration::try_from(args.ttl);
    let request = pb::CreateKubeconfigRequest {
        name: args.name.clone().map_or_else(user, Ok)?,
        role: role.into(),
        ttl: Some(ttl.map_err(|error| Error::Usage(format!("--ttl: {error}")))?),
        server: args.server.clone(),
        token: args.token,
    };
    let answer = call(request, UNARY, |r| kubeconfigs.create_kubeconfig(r)).await?;
    io.raw(answer.kubeconfig.as_bytes())
}

fn user() -> Result<String> {
    let mut users = USERS.iter().filter_map(|name| std::env::var(name).ok());
    let user = users.find(|user| !user.is_empty());
    user.ok_or_else(|| Error::Usage("--name is required: your user name is not known".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_years_are_read() {
        let day = Duration::from_secs(DAY);
        assert_eq!(ttl("30d"), Ok(day * 30));
        assert_eq!(ttl("1y"), Ok(day * 365));
        assert_eq!(ttl("1h30m"), Ok(Duration::from_secs(5400)));
        for text in ["", "y", "-1d", "1.5d", "99999999999d", "1w"] {
            assert!(ttl(text).is_err(), "{text}");
        }
    }
}
