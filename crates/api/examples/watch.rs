//! Prints each event as it happens.
//!
//! `cargo run -p probelet-api --example watch [SOCKET]`

use std::error::Error;

use probelet_api::client::Client;
use probelet_api::pb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let socket = std::env::args_os().nth(1);
    let socket = socket.unwrap_or_else(|| "/run/probelet/probelet.sock".into());
    let client = Client::by_socket(socket.as_ref()).await?;
    let request = pb::WatchEventsRequest::default();
    let mut events = client.events().watch_events(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        println!("{} pod/{} {}: {}", event.r#type, event.pod, event.reason, event.message);
    }
    Ok(())
}
