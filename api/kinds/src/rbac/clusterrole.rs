//! ClusterRole: rules for the whole cluster, or to be bound in any namespace.

use super::rule;
use crate::{
    Column, Kind, Strategy, cells,
    json::items,
    rules::{self, Errors},
};
use podium_types::FieldError;
use serde_json::Value;

const SELECTORS: &str = "aggregationRule.clusterRoleSelectors";

/// rbac.authorization.k8s.io/v1 ClusterRole.
pub static KIND: Kind = Kind {
    group: super::GROUP,
    kind: "ClusterRole",
    list_kind: "ClusterRoleList",
    plural: "clusterroles",
    singular: "clusterrole",
    namespaced: false,
    resource: "clusterroles.rbac.authorization.k8s.io",
    schema: "io.k8s.api.rbac.v1.ClusterRole",
    columns: &[Column::NAME, Column::text("Created At")],
    row: cells::name_and_creation,
    strategy: &ClusterRole,
    ..Kind::PLAIN
};

struct ClusterRole;

impl Strategy for ClusterRole {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rule::validate(&mut errors, &object["rules"], false);
        let aggregation = &object["aggregationRule"];
        if !aggregation.is_null() {
            let selectors = &aggregation["clusterRoleSelectors"];
            let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            rules::required(&mut errors, selectors, SELECTORS, why);
            for (i, selector) in items(selectors).iter().enumerate() {
                rules::label_selector(&mut errors, selector, &format!("{SELECTORS}[{i}]"));
            }
        }
        errors
    }
    fn validate_name(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::errors;
    use serde_json::json;

    #[test]
    fn urls_are_allowed_and_aggregation_selects() {
        let role = json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]});
        assert_eq!(errors(&KIND, &role), [""; 0]);
        assert_eq!(
            errors(&KIND, &json!({"aggregationRule": {}})),
            ["aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if \
              aggregationRule is non-nil"]
        );
        let odd = json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"-": "a"}}]}});
        assert!(
            errors(&KIND, &odd)[0].starts_with("aggregationRule.clusterRoleSelectors[0].matchLabels: Invalid value")
        );
    }
}
