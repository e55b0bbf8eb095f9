//! Reads and writes probelet's records in containerd by containerd's own API.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::grpcurl::{GRPCURL_FLAGS, grpcurl_bin};
use crate::{Host, bounded, finish, succeed};

/// The part of containerd's API that is used here. Its own `Any` keeps the value as bytes.
const PROTO: &str = r#"
syntax = "proto3";
package containerd.services.containers.v1;
service Containers {
  rpc Get(GetContainerRequest) returns (GetContainerResponse);
  rpc Update(UpdateContainerRequest) returns (UpdateContainerResponse);
}
message Any { string type_url = 1; bytes value = 2; }
message Mask { repeated string paths = 1; }
message Container { string id = 1; map<string, Any> extensions = 10; }
message GetContainerRequest { string id = 1; }
message GetContainerResponse { Container container = 1; }
message UpdateContainerRequest { Container container = 1; Mask update_mask = 2; }
message UpdateContainerResponse { Container container = 1; }
"#;
const KEY: &str = "probelet.v1.record";

impl Host {
    /// The record of probelet in a container's extension, in base64.
    pub fn record(&self, id: &str) -> Result<String> {
        let answer = self.call_containerd("Get", &json!({ "id": id }))?;
        let value = answer["container"]["extensions"][KEY]["value"].as_str();
        Ok(value.with_context(|| format!("no record in {answer}"))?.to_owned())
    }

    /// Overwrites the record of probelet in a container's extension.
    pub fn write_record(&self, id: &str, base64: &str) -> Result<()> {
        let any = json!({ "typeUrl": "probelet.v1.Record", "value": base64 });
        let request = json!({
            "container": { "id": id, "extensions": { KEY: any } },
            "updateMask": { "paths": [format!("extensions.{KEY}")] },
        });
        self.call_containerd("Update", &request).map(drop)
    }

    fn call_containerd(&self, method: &str, request: &Value) -> Result<Value> {
        fs::write(self.path("containers.proto"), PROTO)?;
        let mut command = bounded(grpcurl_bin());
        command.args(GRPCURL_FLAGS).args(["-proto", "containers.proto", "-d", "@"]);
        command.arg("-import-path").arg(self.dir.path());
        command.arg("-rpc-header").arg(format!("containerd-namespace: {}", self.namespace));
        command.arg(self.direct_socket());
        command.arg(format!("containerd.services.containers.v1.Containers/{method}"));
        Ok(serde_json::from_str(&succeed(finish(&mut command, &request.to_string())?)?)?)
    }
}
