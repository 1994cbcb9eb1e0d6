//! ResourceQuota: what a namespace may use in all.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{at, at_mut, items, members, plain, set, text},
    names, resources,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

const SCOPES: &[&str] = &[
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

/// core/v1 ResourceQuota.
pub static KIND: Kind = Kind {
    kind: "ResourceQuota",
    list_kind: "ResourceQuotaList",
    plural: "resourcequotas",
    singular: "resourcequota",
    short_names: &["quota"],
    resource: "resourcequotas",
    schema: "io.k8s.api.core.v1.ResourceQuota",
    subresources: &[Subresource::part("status", "ResourceQuota")],
    columns: &[Column::NAME, Column::text("Request"), Column::text("Limit"), Column::AGE],
    row,
    strategy: &Quota,
    ..Kind::PLAIN
};

struct Quota;

impl Strategy for Quota {
    fn default(&self, object: &mut Value) {
        for list in ["spec.hard", "status.hard", "status.used"] {
            at_mut(object, list).into_iter().for_each(resources::canonical_list);
        }
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        for (name, amount) in members(&spec["hard"]) {
            let path = format!("spec.hard[{name}]");
            rules::form(&mut errors, names::qualified_name(name), &path, name);
            match resources::quantity(amount) {
                Some(quantity) if quantity.is_negative() => {
                    errors.push(FieldError::invalid(path, amount, "must be greater than or equal to 0"));
                }
                Some(quantity) if is_count(name) && quantity.milli_value() % 1000 != 0 => {
                    errors.push(FieldError::invalid(path, amount, "must be an integer"));
                }
                _ => {}
            }
        }
        for scope in items(&spec["scopes"]) {
            if !SCOPES.contains(&text(scope)) {
                errors.push(FieldError::not_supported("spec.scopes", scope, SCOPES));
            }
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, &object["spec"], &old["spec"], "spec", &["scopes"]);
        errors
    }
}

/// Whether a quota of that name counts objects.
fn is_count(name: &str) -> bool {
    name.starts_with("count/") || matches!(name, "pods" | "services" | "secrets" | "configmaps" | "resourcequotas")
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (hard, used) = (at(object, "status.hard"), at(object, "status.used"));
    let of = |limits: bool| {
        let list: Vec<String> = members(hard)
            .filter(|(name, _)| name.starts_with("limits.") == limits)
            .map(|(name, amount)| format!("{name}: {}/{}", plain(&used[name]), plain(amount)))
            .collect();
        json!(list.join(", "))
    };
    vec![cells::name(object), of(false), of(true), cells::age(object, now)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, errors, shown};

    #[test]
    fn messages() {
        let object = json!({"spec": {"hard": {"cpu": "-1", "pods": "500m", "a b": "1"}, "scopes": ["Odd"]}});
        let found = errors(&KIND, &object);
        assert!(found[0].starts_with(r#"spec.hard[a b]: Invalid value: "a b": name part must consist of"#));
        assert_eq!(
            found[1..3],
            [
                r#"spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0"#,
                r#"spec.hard[pods]: Invalid value: "500m": must be an integer"#,
            ]
        );
        assert!(found[3].starts_with(r#"spec.scopes: Unsupported value: "Odd""#));
        let scoped = json!({"spec": {"scopes": ["BestEffort"]}});
        assert_eq!(
            changes(&KIND, &scoped, &json!({})),
            [r#"spec.scopes: Invalid value: ["BestEffort"]: field is immutable"#]
        );
    }

    #[test]
    fn cells() {
        let status = json!({"hard": {"limits.cpu": "2", "pods": "5"}, "used": {"limits.cpu": "1", "pods": "3"}});
        let object = json!({"metadata": {"name": "q"}, "status": status});
        assert_eq!(shown(&KIND, &object), ["q", "pods: 3/5", "limits.cpu: 1/2", "<unknown>"]);
    }
}
