//! Deletions of one object and of a collection.

use std::sync::Arc;

use probelet_kube_wire::feed::{Key, Selection};
use probelet_kube_wire::options::{DeleteOptions, ListOptions};
use probelet_kube_wire::status::{Reason, Status};
use serde_json::{Value, json};

use super::kind::{Deletion, Kind};
use super::metadata::text;
use super::pipeline::{Write, Writes, Written};

impl Writes {
    pub(super) async fn delete(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        body: Option<Value>,
    ) -> Result<Written, Status> {
        let options = DeleteOptions::parse(write.query, body.as_ref())?;
        let name = write.request.name.as_deref().unwrap_or_default();
        let key = Key::new(write.request.namespace.as_deref().unwrap_or_default(), name);
        self.delete_one(kind, write, &key, &options).await.map(Written::ok)
    }

    /// Deletes the selected objects, one after the other, and answers with them. An object that has
    /// been deleted meanwhile is none of them.
    pub(super) async fn delete_collection(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        body: Option<Value>,
    ) -> Result<Written, Status> {
        let options = DeleteOptions::parse(write.query, body.as_ref())?;
        let list = ListOptions::parse(write.query)?;
        let selection = Selection::new(write.served, write.request.namespace.as_deref(), &list)?;
        let page = self.store().read(|feed| feed.list(&selection, &list))?;
        let keys: Vec<_> = page.items().filter_map(|item| Key::of(&item).ok()).collect();
        let mut deleted = Vec::new();
        for key in keys {
            match self.delete_one(kind, write, &key, &options).await {
                Ok(object) => deleted.push(object),
                Err(status) if status.reason() == Reason::NotFound => {}
                Err(status) => return Err(status),
            }
        }
        let items: Vec<_> = deleted.iter().map(|object| &**object).collect();
        Ok(Written::document(json!({
            "apiVersion": write.served.api_version(),
            "kind": format!("{}List", write.served.kind),
            "metadata": page.metadata(),
            "items": items,
        })))
    }

    async fn delete_one(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, Status> {
        let resource = write.request.group_resource();
        let _locked = self.lock(write, key).await?;
        let live = kind.live(key).await?;
        let live = live.ok_or_else(|| Status::not_found(&resource, key.name()))?;
        options.check(&resource, text(&live.object, "name"), &live.object)?;
        kind.delete(&live, Deletion { options, by: write.by }).await
    }
}
