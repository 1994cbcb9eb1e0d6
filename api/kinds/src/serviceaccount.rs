//! ServiceAccount: an identity for the processes of a pod.

use crate::{Column, Kind, Strategy, Subresource, cells, json, kind::ALL_VERBS};
use podium_types::Timestamp;
use serde_json::{Value, json};

/// core/v1 ServiceAccount.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "ServiceAccount",
    list_kind: "ServiceAccountList",
    plural: "serviceaccounts",
    singular: "serviceaccount",
    short_names: &["sa"],
    categories: &[],
    namespaced: true,
    resource: "serviceaccounts",
    schema: "io.k8s.api.core.v1.ServiceAccount",
    verbs: ALL_VERBS,
    subresources: &[Subresource::action("token", "TokenRequest", &["create"]).of_group("authentication.k8s.io", "v1")],
    columns: &[Column::NAME, Column::text("Secrets"), Column::AGE],
    row,
    selectable: &[],
    select: None,
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &ServiceAccount,
};

struct ServiceAccount;

impl Strategy for ServiceAccount {}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), json!(json::count(&object["secrets"])), cells::age(object, now)]
}
