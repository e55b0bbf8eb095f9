//! The objects of the Kubernetes API: those that the daemon makes of pods and events, and those that
//! clients store.
//!
//! - `store` has the newest state of all objects, with their versions and latest changes. Reads and
//!   watches see only it.
//! - `stored` is the way of a write: check, file, `store`. Its files are in `probelet-objects`.
//! - `ceiling` keeps versions growing over restarts, also if the clock is set back.

mod ceiling;
mod error;
mod file;
mod limits;
mod store;
mod stored;
#[cfg(test)]
mod tests;

pub use ceiling::micros;
pub use error::StoreError;
pub use store::Store;
pub use stored::{Edit, StoreHealth, StoredObjects};
