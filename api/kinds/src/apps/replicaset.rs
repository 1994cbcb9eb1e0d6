//! ReplicaSet: a number of pods of one template.

use crate::{Column, Context, Kind, Strategy, Subresource, apps::workload, cells, cells::number, kind::ALL_VERBS};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// apps/v1 ReplicaSet.
pub static KIND: Kind = Kind {
    group: "apps",
    versions: &["v1"],
    kind: "ReplicaSet",
    list_kind: "ReplicaSetList",
    plural: "replicasets",
    singular: "replicaset",
    short_names: &["rs"],
    categories: &["all"],
    namespaced: true,
    resource: "replicasets.apps",
    schema: "io.k8s.api.apps.v1.ReplicaSet",
    verbs: ALL_VERBS,
    subresources: &[Subresource::scale(), Subresource::part("status", "ReplicaSet")],
    columns: &[
        Column::NAME,
        Column::integer("Desired"),
        Column::integer("Current"),
        Column::integer("Ready"),
        Column::AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ],
    row,
    selectable: &["status.replicas"],
    select: Some(select),
    generation: true,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &ReplicaSet,
};

/// Counts of the status.
pub(crate) const COUNTS: &[&str] =
    &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas"];
/// Which of them are parts of others.
pub(crate) const PAIRS: &[workload::Pair] = &[
    ("fullyLabeledReplicas", "replicas", workload::ABOVE_ALL),
    ("readyReplicas", "replicas", workload::ABOVE_ALL),
    ("availableReplicas", "replicas", workload::ABOVE_ALL),
    ("availableReplicas", "readyReplicas", workload::ABOVE_READY),
];

struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn default(&self, object: &mut Value) {
        workload::defaults(object);
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        workload::fresh_status(object, json!({"replicas": 0}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        workload::validate(object, "deployment", "ReplicaSet")
    }
    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        match context.subresource {
            "status" => workload::validate_status(object, old, COUNTS, PAIRS),
            _ => workload::validate_update(object, old),
        }
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        workload::warnings(object)
    }
}

fn select(object: &Value, field: &str) -> String {
    number(object, field).to_string()
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells = vec![
        cells::name(object),
        number(object, "spec.replicas"),
        number(object, "status.replicas"),
        number(object, "status.readyReplicas"),
        cells::age(object, now),
    ];
    cells.extend(workload::wide_cells(object));
    cells
}
