//! ResourceQuota: what a namespace may use in all.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{at, at_mut, items, members, plain, set, text},
    names, resources,
    resources::HUGE_PAGES,
    rules::{self, Errors, child},
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

/// Scopes that a pod is in or is not: there is no value to compare.
const EXIST_ONLY: &[&str] =
    &["BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "Terminating"];
/// What is counted by its own name.
const COUNTED: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

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
            if !name.contains('/') && names::qualified_name(name).is_ok() && !is_quota_resource(name) {
                let why = "must be a standard resource type or fully qualified";
                errors.push(FieldError::invalid(&path, &json!(name), why));
                let why = "must be a standard resource for quota";
                errors.push(FieldError::invalid(&path, &json!(name), why));
            }
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
        scopes(&mut errors, spec);
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, &object["spec"], &old["spec"], "spec", &["scopes"]);
        errors
    }
}

/// Whether a quota may speak of a resource of that name without a domain.
fn is_quota_resource(name: &str) -> bool {
    let standard = |name: &str| matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with(HUGE_PAGES);
    let of_pods = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
    standard(of_pods) || is_count(name) || name == "requests.storage"
}

/// Whether a quota counts such objects.
fn is_count(name: &str) -> bool {
    name.starts_with("count/") || COUNTED.contains(&name)
}

/// What a quota looks at, of all that it could: two ways to say so.
fn scopes(errors: &mut Errors, spec: &Value) {
    let (list, path) = (&spec["scopes"], "spec.scopes");
    let refuse = |errors: &mut Errors, why: &str| errors.push(FieldError::invalid(path, list, why));
    let hard: Vec<&str> = members(&spec["hard"]).map(|(name, _)| name.as_str()).collect();
    for scope in items(list).iter().map(text) {
        if !SCOPES.contains(&scope) {
            refuse(errors, "unsupported scope");
        }
        for _ in hard.iter().filter(|name| is_quota_resource(name) && !applies(scope, name)) {
            refuse(errors, "unsupported scope applied to resource");
        }
    }
    conflicts(errors, items(list).iter().map(text), list);
    let (selector, path) = (&spec["scopeSelector"], "spec.scopeSelector.matchExpressions");
    for rule in items(&selector["matchExpressions"]) {
        let [scope, operator, values] = ["scopeName", "operator", "values"].map(|field| &rule[field]);
        if !SCOPES.contains(&text(scope)) {
            errors.push(FieldError::invalid(child(path, "scopeName"), scope, "unsupported scope"));
        }
        for _ in hard.iter().filter(|name| is_quota_resource(name) && !applies(text(scope), name)) {
            errors.push(FieldError::invalid(path, selector, "unsupported scope applied to resource"));
        }
        if EXIST_ONLY.contains(&text(scope)) && operator != "Exists" {
            let why = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
                ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.push(FieldError::invalid(child(path, "operator"), &text(operator).into(), why));
        }
        match text(operator) {
            "In" | "NotIn" if items(values).is_empty() => {
                let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.push(FieldError::required(child(path, "values"), why));
            }
            "Exists" | "DoesNotExist" if !items(values).is_empty() => {
                let why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.push(FieldError::invalid(child(path, "values"), values, why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => {
                let why = "not a valid selector operator";
                errors.push(FieldError::invalid(child(path, "operator"), &text(operator).into(), why));
            }
        }
    }
    conflicts(errors, items(&selector["matchExpressions"]).iter().map(|rule| text(&rule["scopeName"])), list);
}

/// Nothing is in a scope and out of it.
fn conflicts<'a>(errors: &mut Errors, scopes: impl Iterator<Item = &'a str>, list: &Value) {
    let all: Vec<&str> = scopes.collect();
    for pair in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if pair.iter().all(|scope| all.contains(scope)) {
            errors.push(FieldError::invalid("spec.scopes", list, "conflicting scopes"));
        }
    }
}

/// Whether a resource can be counted within a scope.
fn applies(scope: &str, name: &str) -> bool {
    let of_pods = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
    match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => matches!(of_pods, "pods" | "cpu" | "memory"),
    }
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
        assert_eq!(found[3], r#"spec.scopes: Invalid value: ["Odd"]: unsupported scope"#);
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
