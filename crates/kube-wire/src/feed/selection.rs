//! Which objects a list or a watch is about.

use super::key::{Key, Stored};
use super::object::Object;
use crate::discovery::Served;
use crate::options::ListOptions;
use crate::selector::{FieldSelector, LabelSelector, Selectable};
use crate::status::{GroupResource, Status};

/// A resource, a namespace or all, and selectors.
#[derive(Debug, Clone)]
pub struct Selection {
    served: &'static Served,
    namespace: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
    selectable: Selectable,
}

impl Selection {
    /// The selection of a request; 400 if a field cannot be selected.
    pub fn new(
        served: &'static Served,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<Self, Status> {
        let selectable = Selectable::of(&GroupResource::new(served.group, served.name));
        selectable.check(&options.fields)?;
        Ok(Self {
            served,
            namespace: namespace.map(str::to_owned),
            labels: options.labels.clone(),
            fields: options.fields.clone(),
            selectable,
        })
    }

    /// The resource.
    pub fn served(&self) -> &'static Served {
        self.served
    }

    pub(super) fn stored(&self) -> Stored {
        Stored::of(self.served)
    }

    /// True if every object of the namespace is selected.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// True if objects under this key can be selected.
    pub(super) fn has(&self, stored: Stored, key: &Key) -> bool {
        let namespace = self.namespace.as_deref();
        self.stored() == stored
            && namespace.is_none_or(|it| it == key.namespace())
            && self.fields.admits("metadata.name", key.name())
            && self.fields.admits("metadata.namespace", key.namespace())
    }

    /// True if the object is selected.
    pub(super) fn selects(&self, object: &Object) -> bool {
        if self.is_everything() {
            return true;
        }
        self.labels.matches_object(&object.head())
            && (self.fields.is_empty() || self.selectable.matches(&self.fields, &object.value()))
    }
}
