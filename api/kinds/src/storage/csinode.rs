//! CSINode: which storage drivers run on a node.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{items, text},
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Limit of a node's id.
const MAX_NODE_ID: usize = 192;

/// storage.k8s.io/v1 CSINode.
pub static KIND: Kind = Kind {
    group: "storage.k8s.io",
    kind: "CSINode",
    list_kind: "CSINodeList",
    plural: "csinodes",
    singular: "csinode",
    namespaced: false,
    resource: "csinodes.storage.k8s.io",
    schema: "io.k8s.api.storage.v1.CSINode",
    columns: &[Column::NAME, Column::integer("Drivers"), Column::AGE],
    row,
    strategy: &Node,
    ..Kind::PLAIN
};

struct Node;

impl Strategy for Node {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let mut seen = BTreeSet::new();
        for (i, driver) in items(&object["spec"]["drivers"]).iter().enumerate() {
            let path = format!("spec.drivers[{i}]");
            super::driver_name(&mut errors, &driver["name"], &child(&path, "name"));
            rules::unique(&mut errors, &mut seen, text(&driver["name"]), &child(&path, "name"));
            rules::required(&mut errors, &driver["nodeID"], &child(&path, "nodeID"), "");
            if text(&driver["nodeID"]).len() > MAX_NODE_ID {
                let why = format!("must be {MAX_NODE_ID} characters or less");
                errors.push(FieldError::invalid(child(&path, "nodeID"), &driver["nodeID"], &why));
            }
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        for before in items(&old["spec"]["drivers"]) {
            let drivers = items(&object["spec"]["drivers"]).iter().enumerate();
            for (i, driver) in drivers.filter(|(_, d)| d["name"] == before["name"]) {
                let fields = &["nodeID", "topologyKeys"];
                rules::fixed(&mut errors, driver, before, &format!("spec.drivers[{i}]"), fields);
            }
        }
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), json!(items(&object["spec"]["drivers"]).len()), cells::age(object, now)]
}
