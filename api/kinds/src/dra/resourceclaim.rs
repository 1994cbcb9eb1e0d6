//! ResourceClaim: devices that one or several pods want, and which they got.

use super::requests;
use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{is_unset, set},
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp, meta};
use serde_json::{Value, json};

/// resource.k8s.io/v1 ResourceClaim.
pub static KIND: Kind = Kind {
    group: "resource.k8s.io",
    kind: "ResourceClaim",
    list_kind: "ResourceClaimList",
    plural: "resourceclaims",
    singular: "resourceclaim",
    resource: "resourceclaims.resource.k8s.io",
    schema: "io.k8s.api.resource.v1.ResourceClaim",
    subresources: &[Subresource::part("status", "ResourceClaim")],
    columns: &[Column::NAME, Column::text("State"), Column::AGE],
    row,
    strategy: &Claim,
    ..Kind::PLAIN
};

struct Claim;

impl Strategy for Claim {
    fn default(&self, object: &mut Value) {
        object.get_mut("spec").into_iter().for_each(requests::defaults);
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        requests::validate(&mut errors, &object["spec"], "spec");
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, object, old, "", &["spec"]);
        errors
    }
}

/// `allocated,reserved`
fn state(object: &Value) -> String {
    let (status, mut words) = (&object["status"], Vec::new());
    if meta::is_deleting(object) {
        words.push("deleted");
    }
    if status["allocation"].is_null() {
        if words.is_empty() {
            words.push("pending");
        }
    } else {
        words.push("allocated");
        if !is_unset(&status["reservedFor"]) {
            words.push("reserved");
        }
    }
    words.join(",")
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), json!(state(object)), cells::age(object, now)]
}
