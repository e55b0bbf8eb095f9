//! The data that the blocks of `describe pod` show beside a container's spec and status.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use probelet_api::pb;

#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The causes of the most recent terminations, by container.
    pub causes: &'a BTreeMap<&'a str, &'a str>,
    pub meta: &'a ObjectMeta,
    pub annotations: &'a BTreeMap<String, String>,
    /// The containers as the API shows them.
    pub live: &'a [pb::Container],
    pub now: Timestamp,
}
