//! Lease: who holds a role, and until when; nodes renew theirs as a heartbeat.

use crate::{
    Column, Kind, Strategy, cells,
    json::at,
    kind::ALL_VERBS,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// coordination.k8s.io/v1 Lease.
pub static KIND: Kind = Kind {
    group: "coordination.k8s.io",
    versions: &["v1"],
    kind: "Lease",
    list_kind: "LeaseList",
    plural: "leases",
    singular: "lease",
    short_names: &[],
    categories: &[],
    namespaced: true,
    resource: "leases.coordination.k8s.io",
    schema: "io.k8s.api.coordination.v1.Lease",
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[Column::NAME, Column::text("Holder"), Column::AGE],
    row,
    selectable: &[],
    select: None,
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &Lease,
};

struct Lease;

impl Strategy for Lease {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Errors::new();
        rules::at_least(&mut errors, &spec["leaseDurationSeconds"], "spec.leaseDurationSeconds", 1);
        rules::at_least(&mut errors, &spec["leaseTransitions"], "spec.leaseTransitions", 0);
        if spec["holderIdentity"] == json!("") {
            errors.push(FieldError::invalid("spec.holderIdentity", &json!(""), "must not be empty"));
        }
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let holder = at(object, "spec.holderIdentity").as_str().unwrap_or_default();
    vec![cells::name(object), json!(holder), cells::age(object, now)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let lease = json!({"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1, "holderIdentity": ""}});
        let found: Vec<String> = Lease.validate(&lease).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
                "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
                r#"spec.holderIdentity: Invalid value: "": must not be empty"#,
            ]
        );
        assert!(Lease.validate(&json!({"spec": {"leaseDurationSeconds": 40}})).is_empty());
    }
}
