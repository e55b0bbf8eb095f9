//! The metrics for Prometheus. They are read from the current state when Prometheus asks, so no actor
//! waits for them.

mod containers;
mod host;
mod page;
mod server;
mod snapshot;
#[cfg(test)]
mod tests;

pub use server::{CONNECTIONS, bind, serve};
pub use snapshot::Sources;
