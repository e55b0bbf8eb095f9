//! A client of a Kubernetes API server.
//!
//! Everything that a server sends is bounded: the head and the body of an answer, a line of a watch,
//! and the time until each of them comes. Redirects are not followed.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod client;
mod error;
mod identity;
#[cfg(test)]
mod tests;
mod watch;

pub use client::{Body, Client};
pub use error::ApiError;
pub use http::Method;
pub use identity::{Identity, IdentityError};
pub use watch::Watch;
