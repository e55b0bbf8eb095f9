//! `get`.

use probelet_kube_wire::selector::LabelSelector;

use super::connect::Client;
use super::error::{Error, Result};
use super::io::Io;
use super::names::{self, Kind};
use super::namespace::Namespaces;
use super::targets::selector;
use super::view::View;
use super::{get_events, get_pods};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind, then names: `pods`, `pod NAME`, `pod/NAME`, `events`, `events POD`.
    #[arg(value_name = "TYPE [NAME]", required = true)]
    resource: Vec<String>,
    #[command(flatten)]
    view: View,
    /// The pods whose labels match: `app=web,tier!=db`, `tier in (a,b)`, `!canary`.
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    selector: Option<LabelSelector>,
    #[command(flatten)]
    namespaces: Namespaces,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        let (kind, names) = names::resource(&self.resource)?;
        if kind == Kind::Event && (self.selector.is_some() || self.view.show_labels) {
            let why = "events have no labels: `probelet get events POD` has those of one pod";
            return Err(Error::Usage(why.to_owned()));
        }
        if self.selector.is_some() && !names.is_empty() {
            return Err(Error::Usage("names do not go with -l".to_owned()));
        }
        self.namespaces.check(&names)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let (kind, names) = names::resource(&args.resource)?;
    let of = &args.namespaces;
    match kind {
        Kind::Pod => {
            let chosen = get_pods::Chosen { of, names: &names, selector: args.selector.as_ref() };
            get_pods::get(client, &args.view, &chosen, io).await
        }
        Kind::Event => get_events::get(client, &args.view, (of, &names), io).await,
    }
}
