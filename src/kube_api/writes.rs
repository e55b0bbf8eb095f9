//! Writes of objects: create, update, the four patches, delete and delete of a collection.
//!
//! - `kind` is what a kind of objects implements: its defaults, its rules, its storage.
//! - `pipeline` is the same for all kinds: the body becomes an object, which is checked against its
//!   type, the URL and the live object, and then handed to the kind. Writes of one object wait for
//!   each other in `locks`.
//! - `scale` is the subresource of that name.
//! - `metadata` has the rules of names, versions and the fields that only the server sets.

mod deletion;
mod kind;
mod locks;
mod metadata;
mod patches;
mod pipeline;
mod scale;
#[cfg(test)]
mod tests;

pub use kind::{Change, Deletion, Kind, Live, Outcome};
pub use metadata::{group_kind, text};
pub use pipeline::{Write, Writes, Written};
