//! IPAddress: an address of a Service, so that none is given out twice.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{is_unset, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};
use std::net::IpAddr;

/// networking.k8s.io/v1 IPAddress.
pub static KIND: Kind = Kind {
    group: "networking.k8s.io",
    kind: "IPAddress",
    list_kind: "IPAddressList",
    plural: "ipaddresses",
    singular: "ipaddress",
    short_names: &["ip"],
    namespaced: false,
    resource: "ipaddresses.networking.k8s.io",
    schema: "io.k8s.api.networking.v1.IPAddress",
    columns: &[Column::NAME, Column::text("ParentRef")],
    row,
    strategy: &Address,
    ..Kind::PLAIN
};

struct Address;

impl Strategy for Address {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let parent = &object["spec"]["parentRef"];
        if parent.is_null() {
            errors.push(FieldError::required("spec.parentRef", ""));
            return errors;
        }
        for field in ["resource", "name"] {
            rules::required(&mut errors, &parent[field], &format!("spec.parentRef.{field}"), "");
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, &object["spec"], &old["spec"], "spec", &["parentRef"]);
        errors
    }
    fn validate_name(&self, name: &str) -> Result<(), String> {
        names::ip(name)?;
        match name.parse::<IpAddr>() {
            Ok(address) if address.to_string() != name => Err(format!("must be in canonical form ({address:?})")),
            _ => Ok(()),
        }
    }
}

fn row(object: &Value, _now: Timestamp) -> Vec<Value> {
    let parent = &object["spec"]["parentRef"];
    let [group, resource, namespace, name] = ["group", "resource", "namespace", "name"].map(|f| text(&parent[f]));
    let shown = match (is_unset(parent), group) {
        (true, _) => cells::NONE.to_owned(),
        (false, "") => [resource, namespace, name].join("/"),
        (false, group) => format!("{resource}.{group}/{namespace}/{name}"),
    };
    vec![cells::name(object), json!(shown)]
}
