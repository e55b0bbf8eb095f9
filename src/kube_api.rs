//! A Kubernetes API for this one host: what kubectl and other clients need to see pods.
//!
//! The rules of the protocol are in `probelet-kube-wire`; this module does the I/O:
//!
//! - `publisher` keeps the objects of the store as the supervisor has them.
//! - `stored_kind` is the kind of objects that clients store, such as ConfigMaps; `namespaces` makes
//!   and empties namespaces, `node_kind` lets clients cordon the node. `workload_kind` is that of Deployments and the other workloads, whose
//!   controllers write through `controller_api`. `stored_values` gives pods the
//!   values of ConfigMaps and Secrets, and `pod_tokens` the tokens of their accounts.
//! - `server` has the connections; `identity` finds the user of a request, `access` what the user
//!   may do, `callers` how many requests of it are answered at once, and `request_guard` refuses what a web page may have caused.
//! - `router` finds what a request asks for; `documents`, `reads`, `logs`, `reviews` and
//!   `token_requests` answer it, and `writes` change objects.
//! - `streams` begins `commands` of `sources` and `port_forward`, which use the streams of `exchange`.
//!   These are carried by `channels` of a `websocket`, or by `spdy`, bare or inside a `websocket`.
//!   `one_way` sends logs and watches over a `websocket`.

mod access;
mod answer;
mod bodies;
mod callers;
mod channels;
mod commands;
mod controller_api;
mod documents;
mod errors;
mod exchange;
mod host_facts;
mod host_objects;
mod identity;
mod logs;
mod namespaces;
mod node_kind;
mod one_way;
mod pod_objects;
mod pod_tokens;
mod pods;
mod port_forward;
mod publisher;
mod reads;
mod request_guard;
mod reviews;
mod router;
mod server;
mod sources;
mod spdy;
mod stored_kind;
mod stored_values;
mod streams;
#[cfg(test)]
mod tests;
mod times;
mod token_requests;
mod usage;
mod websocket;
mod workload_kind;
mod writes;

pub use controller_api::ControllerApi;
pub use host_objects::HostFacts;
pub use identity::Identity;
pub use namespaces::Namespaces;
pub use node_kind::NodeKind;
pub use pod_tokens::PodTokens;
pub use pods::Pods;
pub use publisher::Publisher;
pub use router::Router;
pub use server::{CONNECTIONS, OPENINGS, Server};
pub use stored_kind::stored_kinds;
pub use stored_values::{StoredValues, ValueFollower};
pub use streams::Streams;
pub use usage::UsageMeter;
pub use workload_kind::workload_kinds;
pub use writes::{Change, Deletion, Kind, Live, Outcome, Writes};
