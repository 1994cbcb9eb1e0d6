//! Role: rules that hold in one namespace.

use super::rule;
use crate::{Column, Kind, Strategy, cells, rules::Errors};
use podium_types::FieldError;
use serde_json::Value;

/// rbac.authorization.k8s.io/v1 Role.
pub static KIND: Kind = Kind {
    group: super::GROUP,
    kind: "Role",
    list_kind: "RoleList",
    plural: "roles",
    singular: "role",
    resource: "roles.rbac.authorization.k8s.io",
    schema: "io.k8s.api.rbac.v1.Role",
    columns: &[Column::NAME, Column::text("Created At")],
    row: cells::name_and_creation,
    strategy: &Role,
    ..Kind::PLAIN
};

struct Role;

impl Strategy for Role {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rule::validate(&mut errors, &object["rules"], true);
        errors
    }
    fn validate_name(&self, _name: &str) -> Result<(), String> {
        // Whatever can stand in a path: `system:controller:x`.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::errors;
    use serde_json::json;

    #[test]
    fn messages() {
        let cases: &[(Value, &[&str])] = &[
            (json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}), &[]),
            (
                json!({}),
                &[
                    "rules[0].verbs: Required value: verbs must contain at least one value",
                    "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                    "rules[0].resources: Required value: resource rules must supply at least one resource",
                ],
            ),
            (
                json!({"verbs": ["get"], "nonResourceURLs": ["/a"], "resources": ["pods"]}),
                &[
                    r#"rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs"#,
                    r#"rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs"#,
                ],
            ),
        ];
        for (rule, expected) in cases {
            assert_eq!(errors(&KIND, &json!({"rules": [rule]})), *expected, "{rule}");
        }
    }
}
