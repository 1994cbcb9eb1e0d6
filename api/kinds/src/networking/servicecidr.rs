//! ServiceCIDR: a range that cluster IPs come from.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{items, set, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// One range per family.
const MAX_RANGES: usize = 2;

/// networking.k8s.io/v1 ServiceCIDR.
pub static KIND: Kind = Kind {
    group: "networking.k8s.io",
    kind: "ServiceCIDR",
    list_kind: "ServiceCIDRList",
    plural: "servicecidrs",
    singular: "servicecidr",
    namespaced: false,
    resource: "servicecidrs.networking.k8s.io",
    schema: "io.k8s.api.networking.v1.ServiceCIDR",
    subresources: &[Subresource::part("status", "ServiceCIDR")],
    columns: &[Column::NAME, Column::text("CIDRs"), Column::AGE],
    row,
    strategy: &Range,
    ..Kind::PLAIN
};

struct Range;

impl Strategy for Range {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let ranges = &object["spec"]["cidrs"];
        rules::required(&mut errors, ranges, "spec.cidrs", "at least one CIDR required");
        let ranges = items(ranges);
        if ranges.len() > MAX_RANGES {
            let why = "may only hold up to 2 values";
            errors.push(FieldError::invalid("spec", &object["spec"], why));
        }
        for (i, range) in ranges.iter().enumerate() {
            rules::form(&mut errors, names::cidr(text(range)), &format!("spec.cidrs[{i}]"), text(range));
        }
        let families = ranges.iter().map(|r| text(r).contains(':'));
        if ranges.len() == MAX_RANGES && families.clone().all(|v6| v6) | !families.into_iter().any(|v6| v6) {
            let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96";
            errors.push(FieldError::invalid("spec", &object["spec"], why));
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, &object["spec"], &old["spec"], "spec", &["cidrs"]);
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let ranges: Vec<&str> = items(&object["spec"]["cidrs"]).iter().map(text).collect();
    vec![cells::name(object), json!(ranges.join(",")), cells::age(object, now)]
}
