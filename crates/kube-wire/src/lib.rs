//! The Kubernetes API's protocol as pure functions: from a request's path, headers and body to a
//! typed request, and from JSON objects to the documents that kubectl and other clients expect.
//!
//! No socket, file, clock or task: a server calls these functions and does the I/O. Every input is
//! bounded in size and depth, and no input makes a function panic.
//!
//! The modules, lower ones first:
//!
//! - [`time`], [`status`]: times and `Status` bodies, which the others return as errors.
//! - [`query`], [`options`], [`path`]: a method, a path and a query → a typed request.
//! - [`selector`]: label and field selectors.
//! - [`negotiate`]: `Accept` and `Content-Type`.
//! - [`discovery`]: the table of served resources and the documents made of it.
//! - [`table`]: the rows that `kubectl get` prints.
//! - [`feed`]: resource versions, the changes of the last minutes, and watches on them.
//! - [`rules`]: defaults and validation of ConfigMaps, Secrets, namespaces and ServiceAccounts.
//! - [`events`], [`partial`]: other forms of an object.
//! - [`channels`]: the frames of exec, attach and port-forward over WebSockets; [`spdy`]: over SPDY/3.1.
//! - [`schema`]: the generated table of the API's types, of which [`protobuf`] reads bodies and
//!   [`patch`] merges lists.
//! - [`strict`]: unknown and duplicate fields of an object, by the same table. [`quantity`] has the
//!   form in which quantities are given back.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

pub mod channels;
pub mod discovery;
pub mod events;
pub mod feed;
pub mod negotiate;
pub mod options;
pub mod partial;
pub mod patch;
pub mod path;
pub mod protobuf;
pub mod quantity;
pub mod query;
pub mod rules;
pub mod schema;
pub mod selector;
pub mod spdy;
pub mod status;
pub mod strict;
pub mod table;
pub mod time;
