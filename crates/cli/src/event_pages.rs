//! All stored events, read page by page.

use std::collections::HashSet;

use super::connect::{Client, UNARY, call};
use super::error::Result;
use probelet_api::pb;

/// Reads all pages. An event that is repeated meanwhile comes again with a larger number; its older
/// state is dropped.
pub async fn all_events(client: &Client, namespace: &str, pod: &str) -> Result<Vec<pb::Event>> {
    let mut api = client.events();
    let mut all: Vec<pb::Event> = Vec::new();
    let mut after = 0;
    loop {
        let (namespace, pod) = (namespace.to_owned(), pod.to_owned());
        let request = pb::ListEventsRequest { namespace, pod, after, limit: 0 };
        let page = call(request, UNARY, |r| api.list_events(r)).await?;
        let key = |event: &pb::Event| {
            let pb::Event { pod_uid, field_path, r#type, reason, message, .. } = event.clone();
            [pod_uid, field_path, r#type, reason, message]
        };
        let repeated: HashSet<_> = page.events.iter().map(key).collect();
        all.retain(|event| !repeated.contains(&key(event)));
        all.extend(page.events);
        if page.next <= after {
            return Ok(all);
        }
        after = page.next;
    }
}
