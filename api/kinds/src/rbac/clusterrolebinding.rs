//! ClusterRoleBinding: gives subjects a cluster role everywhere.

use super::binding;
use crate::{Column, Context, Kind, Strategy};
use podium_types::FieldError;
use serde_json::Value;

/// rbac.authorization.k8s.io/v1 ClusterRoleBinding.
pub static KIND: Kind = Kind {
    group: super::GROUP,
    kind: "ClusterRoleBinding",
    list_kind: "ClusterRoleBindingList",
    plural: "clusterrolebindings",
    singular: "clusterrolebinding",
    namespaced: false,
    resource: "clusterrolebindings.rbac.authorization.k8s.io",
    schema: "io.k8s.api.rbac.v1.ClusterRoleBinding",
    columns: &[
        Column::NAME,
        Column::text("Role"),
        Column::AGE,
        Column::text("Users").wide(),
        Column::text("Groups").wide(),
        Column::text("ServiceAccounts").wide(),
    ],
    row: binding::row,
    strategy: &ClusterRoleBinding,
    ..Kind::PLAIN
};

struct ClusterRoleBinding;

impl Strategy for ClusterRoleBinding {
    fn default(&self, object: &mut Value) {
        binding::defaults(object);
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        binding::validate(object, &["ClusterRole"])
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        binding::change(object, old)
    }
    fn validate_name(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }
}
