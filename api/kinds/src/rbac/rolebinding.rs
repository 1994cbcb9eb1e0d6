//! RoleBinding: gives subjects a role in one namespace.

use super::binding;
use crate::{Column, Context, Kind, Strategy};
use podium_types::FieldError;
use serde_json::Value;

/// rbac.authorization.k8s.io/v1 RoleBinding.
pub static KIND: Kind = Kind {
    group: super::GROUP,
    kind: "RoleBinding",
    list_kind: "RoleBindingList",
    plural: "rolebindings",
    singular: "rolebinding",
    namespaced: true,
    resource: "rolebindings.rbac.authorization.k8s.io",
    schema: "io.k8s.api.rbac.v1.RoleBinding",
    columns: &[
        Column::NAME,
        Column::text("Role"),
        Column::AGE,
        Column::text("Users").wide(),
        Column::text("Groups").wide(),
        Column::text("ServiceAccounts").wide(),
    ],
    row: binding::row,
    strategy: &RoleBinding,
    ..Kind::PLAIN
};

struct RoleBinding;

impl Strategy for RoleBinding {
    fn default(&self, object: &mut Value) {
        binding::defaults(object);
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        binding::validate(object, &["Role", "ClusterRole"])
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        binding::change(object, old)
    }
    fn validate_name(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, defaulted, errors, shown};
    use serde_json::json;

    #[test]
    fn messages() {
        let role = json!({"kind": "Role", "name": "r"});
        let of =
            |role: &Value, subject: Value| json!({"metadata": {"name": "b"}, "roleRef": role, "subjects": [subject]});
        let cases: &[(Value, &[&str])] = &[
            (of(&role, json!({"kind": "User", "name": "u"})), &[]),
            (of(&role, json!({"kind": "ServiceAccount", "name": "s"})), &[]),
            (
                of(&json!({}), json!({"kind": "Robot"})),
                &[
                    r#"roleRef.kind: Unsupported value: "": supported values: "Role", "ClusterRole""#,
                    "roleRef.name: Required value",
                    "subjects[0].name: Required value",
                    r#"subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group""#,
                ],
            ),
            (
                of(&role, json!({"kind": "Group", "name": "g", "apiGroup": "x"})),
                &[r#"subjects[0].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io""#],
            ),
        ];
        for (object, expected) in cases {
            assert_eq!(errors(&KIND, object), *expected, "{object}");
        }
        let anywhere = of(&json!({"kind": "ClusterRole", "name": "r"}), json!({"kind": "ServiceAccount", "name": "s"}));
        let cluster = errors(&crate::rbac::clusterrolebinding::KIND, &anywhere);
        assert_eq!(cluster, ["subjects[0].namespace: Required value"]);
    }

    #[test]
    fn the_role_stays() {
        let old = defaulted(&KIND, &json!({"roleRef": {"kind": "Role", "name": "a"}}));
        let new = defaulted(&KIND, &json!({"roleRef": {"kind": "Role", "name": "b"}}));
        assert!(changes(&KIND, &new, &old)[0].ends_with("cannot change roleRef"));
    }

    #[test]
    fn cells() {
        let object = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "r"}, "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "User", "name": "v"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]});
        assert_eq!(shown(&KIND, &object), ["b", "Role/r", "<unknown>", "u, v", "", "n/s"]);
    }
}
