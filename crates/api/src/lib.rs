//! probelet's gRPC API: the types and services generated from `proto/`, a client of them, and the
//! conversion of objects from and to JSON.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use probelet_api::client::{Client, UNARY, call};
//! use probelet_api::pb;
//!
//! let client = Client::by_socket("/run/probelet/probelet.sock".as_ref()).await?;
//! let mut pods = client.pods();
//! let answer = call(pb::ListPodsRequest::default(), UNARY, |r| pods.list_pods(r)).await?;
//! println!("{} pods", answer.pods.len());
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

pub mod client;
pub mod structs;

/// The generated types and services. Their documentation is that of the `.proto` files.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
pub mod pb {
    tonic::include_proto!("probelet.v1");
    /// The compiled `.proto` files, for reflection.
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("probelet_descriptor");
}
