//! Scale: how many replicas there are and should be; a face of whatever has a `scale` subresource.
//!
//! Deliberately absent: a line in [`crate::KINDS`]. No Scale is stored.

use crate::{
    Column, Kind, cells,
    json::{at, int},
};
use podium_types::Timestamp;
use serde_json::{Value, json};

/// autoscaling/v1 Scale.
pub static KIND: Kind = Kind {
    group: "autoscaling",
    kind: "Scale",
    plural: "scales",
    singular: "scale",
    schema: "io.k8s.api.autoscaling.v1.Scale",
    columns: &[Column::NAME, Column::integer("Desired"), Column::integer("Available"), Column::AGE],
    row,
    live: true,
    ..Kind::PLAIN
};

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = |path: &str| json!(int(at(object, path)));
    vec![cells::name(object), count("spec.replicas"), count("status.replicas"), cells::age(object, now)]
}
