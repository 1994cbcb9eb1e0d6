//! ResourceSlice: the devices that a driver has in a place.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{is_unset, items, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Limit of the group.
const MAX_DEVICES: usize = 128;
/// Where the devices may be: one of these is said.
const PLACES: &[&str] = &["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"];

/// resource.k8s.io/v1 ResourceSlice.
pub static KIND: Kind = Kind {
    group: "resource.k8s.io",
    kind: "ResourceSlice",
    list_kind: "ResourceSliceList",
    plural: "resourceslices",
    singular: "resourceslice",
    namespaced: false,
    resource: "resourceslices.resource.k8s.io",
    schema: "io.k8s.api.resource.v1.ResourceSlice",
    columns: &[Column::NAME, Column::text("Node"), Column::text("Driver"), Column::text("Pool"), Column::AGE],
    row,
    selectable: &["spec.driver", "spec.nodeName"],
    generation: true,
    strategy: &Slice,
    ..Kind::PLAIN
};

struct Slice;

impl Strategy for Slice {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        rules::required_form(&mut errors, names::dns_subdomain, &spec["driver"], "spec.driver");
        let pool = &spec["pool"];
        rules::required(&mut errors, &pool["name"], "spec.pool.name", "");
        if pool["resourceSliceCount"].as_i64().unwrap_or_default() < 1 {
            let why = "must be greater than zero";
            errors.push(FieldError::invalid("spec.pool.resourceSliceCount", &pool["resourceSliceCount"], why));
        }
        rules::at_least(&mut errors, &pool["generation"], "spec.pool.generation", 0);
        let said = PLACES.iter().filter(|p| !is_unset(&spec[**p]) && spec[**p] != json!(false)).count();
        if said != 1 {
            let why = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
            errors.push(FieldError::required("spec", why));
        }
        let mut seen = BTreeSet::new();
        rules::too_many(&mut errors, items(&spec["devices"]).len(), MAX_DEVICES, "spec.devices");
        for (i, device) in items(&spec["devices"]).iter().enumerate() {
            let path = format!("spec.devices[{i}].name");
            rules::required_form(&mut errors, names::dns_label, &device["name"], &path);
            rules::unique(&mut errors, &mut seen, text(&device["name"]), &path);
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let (new, before) = (&object["spec"], &old["spec"]);
        rules::fixed(&mut errors, new, before, "spec", &["driver", "nodeName"]);
        rules::fixed(&mut errors, &new["pool"], &before["pool"], "spec.pool", &["name"]);
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let node = match text(&spec["nodeName"]) {
        "" => "<unset>",
        node => node,
    };
    vec![
        cells::name(object),
        json!(node),
        json!(text(&spec["driver"])),
        json!(text(&spec["pool"]["name"])),
        cells::age(object, now),
    ]
}
