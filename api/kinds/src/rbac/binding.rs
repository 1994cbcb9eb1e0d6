//! What RoleBinding and ClusterRoleBinding share: subjects and a reference to a role.

use super::GROUP;
use crate::{
    cells,
    json::{is_unset, items, items_mut, set_default, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// The group of users, of groups and of the role is this one, where it is not named.
pub(super) fn defaults(object: &mut Value) {
    if let Some(role) = object.get_mut("roleRef") {
        set_default(role, "apiGroup", GROUP);
    }
    for subject in items_mut(object, "subjects") {
        if matches!(text(&subject["kind"]), "User" | "Group") {
            set_default(subject, "apiGroup", GROUP);
        }
    }
}

/// Rules for a binding; `roles` are the kinds that it may refer to.
pub(super) fn validate(object: &Value, roles: &[&str]) -> Errors {
    let mut errors = Errors::new();
    let role = &object["roleRef"];
    supported(&mut errors, &role["apiGroup"], "roleRef.apiGroup", &[GROUP]);
    supported(&mut errors, &role["kind"], "roleRef.kind", roles);
    rules::required(&mut errors, &role["name"], "roleRef.name", "");
    for (i, subject) in items(&object["subjects"]).iter().enumerate() {
        one(&mut errors, subject, roles.len() > 1, &format!("subjects[{i}]"));
    }
    errors
}

/// Reports a value outside an enumeration; absent is outside too.
fn supported(errors: &mut Errors, value: &Value, path: &str, allowed: &[&str]) {
    if !allowed.contains(&text(value)) {
        errors.push(FieldError::not_supported(path, &json!(text(value)), allowed));
    }
}

fn one(errors: &mut Errors, subject: &Value, namespaced: bool, path: &str) {
    rules::required(errors, &subject["name"], &child(path, "name"), "");
    let name = text(&subject["name"]);
    match text(&subject["kind"]) {
        "ServiceAccount" => {
            if !name.is_empty() {
                rules::form(errors, names::dns_subdomain(name), &child(path, "name"), name);
            }
            supported(errors, &subject["apiGroup"], &child(path, "apiGroup"), &[""]);
            if !namespaced && is_unset(&subject["namespace"]) {
                errors.push(FieldError::required(child(path, "namespace"), ""));
            }
        }
        "User" | "Group" => supported(errors, &subject["apiGroup"], &child(path, "apiGroup"), &[GROUP]),
        _ => supported(errors, &subject["kind"], &child(path, "kind"), &["ServiceAccount", "User", "Group"]),
    }
}

/// A binding's role stays: another role is another binding.
pub(super) fn change(object: &Value, old: &Value) -> Errors {
    if object["roleRef"] == old["roleRef"] {
        return Errors::new();
    }
    vec![FieldError::invalid("roleRef", &object["roleRef"], "cannot change roleRef")]
}

/// Name, role, age and, wide, the subjects by kind.
pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let role = &object["roleRef"];
    let of = |kind: &str| {
        let names: Vec<String> = items(&object["subjects"])
            .iter()
            .filter(|s| text(&s["kind"]) == kind)
            .map(|s| match text(&s["namespace"]) {
                "" => text(&s["name"]).to_owned(),
                namespace => format!("{namespace}/{}", text(&s["name"])),
            })
            .collect();
        json!(names.join(", "))
    };
    vec![
        cells::name(object),
        json!(format!("{}/{}", text(&role["kind"]), text(&role["name"]))),
        cells::age(object, now),
        of("User"),
        of("Group"),
        of("ServiceAccount"),
    ]
}
