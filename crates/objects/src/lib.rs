//! A folder of Kubernetes objects that survives crashes.
//!
//! - [`ObjectName`]: resource, namespace and name of an object. Its parts are checked, so no path
//!   leaves the folder.
//! - [`Folder`]: reads all objects when it is opened, then writes and removes single ones.
//!
//! The layout below the folder:
//!
//! ```text
//! configmaps/default/web.json     an object; deployments.apps/… for one of another group
//! namespaces/_/default.json       an object without a namespace
//! .unreadable/1/configmaps/…      a file that could not be read at a start, kept as it was
//! .ceiling                        a number: see `Folder::store_ceiling`
//! .lock                           locked by the process that uses the folder
//! ```
//!
//! A file is written under the name `.new` beside its place, synchronized and renamed, and then its
//! folder is synchronized. So a kill at any time leaves the old object or the new one.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

mod durable;
mod error;
mod folder;
mod name;
mod scan;

pub use error::{LARGEST, ObjectsError};
pub use folder::{Folder, Opened};
pub use name::{BadName, ObjectName};
pub use scan::{Loaded, SetAside};
