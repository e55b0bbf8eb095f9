//! Tables: the columns of `kubectl get`, which the server makes.
//!
//! Without them kubectl prints NAME and AGE only. A cell has the text that Kubernetes' own printers
//! give it. Columns of priority 1 are those of `-o wide`. The object of a row is what kubectl reads
//! the namespace of `-A` and the labels of `--show-labels` from.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::negotiate::MetaVersion;
use crate::options::IncludeObject;
use crate::partial::partial_object;
use crate::status::GroupResource;
use crate::time::Timestamp;

mod event;
mod node;
mod object;
mod pod;
mod simple;
mod workload;

#[cfg(test)]
mod tests;

/// A column. The format `name` marks the column of `-o name`.
struct Column {
    name: &'static str,
    kind: &'static str,
    wide: bool,
}

const fn column(name: &'static str) -> Column {
    Column { name, kind: "string", wide: false }
}

const fn wide(name: &'static str) -> Column {
    Column { name, kind: "string", wide: true }
}

const fn integer(name: &'static str) -> Column {
    Column { name, kind: "integer", wide: false }
}

/// The columns of a resource, and the cells of an object in the same order.
struct Layout {
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

const LAYOUTS: [(&str, &str, &Layout); 15] = [
    ("", "pods", &pod::LAYOUT),
    ("", "events", &event::LAYOUT),
    ("events.k8s.io", "events", &event::LAYOUT),
    ("", "nodes", &node::LAYOUT),
    ("", "namespaces", &simple::NAMESPACE),
    ("", "configmaps", &simple::CONFIG_MAP),
    ("", "secrets", &simple::SECRET),
    ("", "serviceaccounts", &simple::NAME_AND_AGE),
    ("", "services", &simple::SERVICE),
    ("apps", "deployments", &workload::DEPLOYMENT),
    ("apps", "replicasets", &workload::REPLICA_SET),
    ("apps", "daemonsets", &workload::DAEMON_SET),
    ("apps", "statefulsets", &workload::STATEFUL_SET),
    ("batch", "cronjobs", &workload::CRON_JOB),
    ("batch", "jobs", &workload::JOB),
];

/// How a client wants its Tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableOptions {
    /// The version of the Table.
    pub version: MetaVersion,
    /// What the rows have of their objects.
    pub include: IncludeObject,
}

/// Makes Tables of the objects of one resource.
#[derive(Clone)]
pub struct Tables {
    layout: &'static Layout,
    options: TableOptions,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns: Vec<_> = self.layout.columns.iter().map(|column| column.name).collect();
        f.debug_struct("Tables").field("columns", &columns).field("options", &self.options).finish()
    }
}

impl Tables {
    /// Tables of a resource. One without columns of its own has NAME and AGE.
    pub fn of(resource: &GroupResource, options: TableOptions) -> Self {
        let key = (resource.group(), resource.resource());
        let row = LAYOUTS.iter().find(|(group, name, _)| (*group, *name) == key);
        let layout = row.map_or(&simple::NAME_AND_AGE, |(_, _, layout)| *layout);
        Self { layout, options }
    }

    /// The Table of a list, from its `metadata` and its items.
    pub fn list<'a>(
        &self,
        metadata: &Value,
        items: impl Iterator<Item = Cow<'a, Value>>,
        now: Timestamp,
    ) -> Value {
        self.table(metadata, items.map(|object| self.row(&object, now)).collect(), true)
    }

    /// The Table of one object. In a watch only the first has headers.
    pub fn object(&self, object: &Value, now: Timestamp, headers: bool) -> Value {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        self.table(metadata, vec![self.row(object, now)], headers)
    }

    fn table(&self, metadata: &Value, rows: Vec<Value>, headers: bool) -> Value {
        let keys = ["resourceVersion", "continue", "remainingItemCount"];
        let metadata =
            keys.iter().filter_map(|key| Some(((*key).to_owned(), metadata.get(key)?.clone())));
        let columns: Vec<_> =
            self.layout.columns.iter().filter(|_| headers).map(Column::definition).collect();
        json!({
            "kind": "Table", "apiVersion": self.options.version.api_version(),
            "metadata": metadata.collect::<Map<_, _>>(), "columnDefinitions": columns, "rows": rows,
        })
    }

    fn row(&self, object: &Value, now: Timestamp) -> Value {
        let mut row = json!({ "cells": (self.layout.cells)(object, now) });
        let object = match self.options.include {
            IncludeObject::None => None,
            IncludeObject::Metadata => Some(partial_object(object, self.options.version)),
            IncludeObject::Object => Some(object.clone()),
        };
        if let (Some(object), Some(row)) = (object, row.as_object_mut()) {
            row.insert("object".to_owned(), object);
        }
        row
    }
}

impl Column {
    fn definition(&self) -> Value {
        let format = if self.name == "Name" { "name" } else { "" };
        json!({
            "name": self.name, "type": self.kind, "format": format, "description": "",
            "priority": i32::from(self.wide),
        })
    }
}
