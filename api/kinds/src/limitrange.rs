//! LimitRange: what pods, containers and claims of a namespace may ask for, and get unasked.

use crate::{
    Column, Kind, Strategy, cells,
    json::{items, items_mut, members, set, set_default, text},
    names, resources,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// core/v1 LimitRange.
pub static KIND: Kind = Kind {
    kind: "LimitRange",
    list_kind: "LimitRangeList",
    plural: "limitranges",
    singular: "limitrange",
    short_names: &["limits"],
    resource: "limitranges",
    schema: "io.k8s.api.core.v1.LimitRange",
    columns: &[Column::NAME, Column::text("Created At")],
    row: cells::name_and_creation,
    strategy: &LimitRange,
    ..Kind::PLAIN
};

/// What a limit may be for.
const TYPES: &[&str] = &["Container", "PersistentVolumeClaim", "Pod"];
/// The amounts of an item.
const LISTS: [&str; 5] = ["min", "defaultRequest", "default", "max", "maxLimitRequestRatio"];
/// Amounts that may be no more than others: which two, where Kubernetes says so, and how it calls them.
const ORDER: &[(&str, &str, &str, [&str; 2])] = &[
    ("min", "max", "min", ["min", "max"]),
    ("min", "defaultRequest", "defaultRequest", ["min", "default request"]),
    ("defaultRequest", "max", "defaultRequest", ["default request", "max"]),
    ("defaultRequest", "default", "defaultRequest", ["default request", "default limit"]),
    ("min", "default", "default", ["min", "default"]),
    ("default", "max", "default", ["default", "max"]),
];

struct LimitRange;

impl Strategy for LimitRange {
    fn default(&self, object: &mut Value) {
        for item in items_mut(object, "spec.limits").filter(|i| i.is_object()) {
            for list in LISTS {
                item.get_mut(list).into_iter().for_each(resources::canonical_list);
            }
            if item["type"] == "Container" {
                inherit(item, "max", "default");
                inherit(item, "default", "defaultRequest");
                inherit(item, "min", "defaultRequest");
            }
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let mut seen = BTreeSet::new();
        for (i, item) in items(&object["spec"]["limits"]).iter().enumerate() {
            let path = format!("spec.limits[{i}]");
            let kind = text(&item["type"]);
            rules::form(&mut errors, names::qualified_name(kind), &child(&path, "type"), kind);
            if !kind.is_empty() && !kind.contains('/') && !TYPES.contains(&kind) {
                let why = "must be a standard limit type or fully qualified";
                errors.push(FieldError::invalid(child(&path, "type"), &item["type"], why));
            }
            rules::unique(&mut errors, &mut seen, text(&item["type"]), &child(&path, "type"));
            one(&mut errors, item, &path);
        }
        errors
    }
}

/// What is set in one list stands in the other too, where nothing else does.
fn inherit(item: &mut Value, from: &str, to: &str) {
    for (resource, amount) in members(&item[from].clone()) {
        set_default(item, to, json!({}));
        if let Some(list) = item.get_mut(to).filter(|l| l.get(resource).is_none()) {
            set(list, resource, amount.clone());
        }
    }
}

fn one(errors: &mut Errors, item: &Value, path: &str) {
    if item["type"] == "Pod" {
        for list in ["default", "defaultRequest"] {
            if !item[list].is_null() {
                let why = "may not be specified when `type` is 'Pod'";
                errors.push(FieldError::forbidden(child(path, list), why));
            }
        }
    }
    for list in LISTS {
        for (name, _) in members(&item[list]) {
            let path = format!("{path}.{list}[{name}]");
            names_resource(errors, name, &path, matches!(text(&item["type"]), "Pod" | "Container"));
        }
    }
    if item["type"] == "PersistentVolumeClaim" && ["min", "max"].iter().all(|l| item[*l]["storage"].is_null()) {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        errors.push(FieldError::required(child(path, "limits"), why));
    }
    for (less, more, at, what) in ORDER {
        for (resource, amount) in members(&item[*less]) {
            let [low, high] = [Some(amount), item[*more].get(resource)].map(|a| a.and_then(resources::quantity));
            if let (Some(low), Some(high)) = (low, high)
                && low > high
            {
                let [low_is, high_is] = what;
                let why = format!("{low_is} value {low} is greater than {high_is} value {high}");
                // As in Kubernetes, where the value is not always that of the field.
                let shown = if *more == "max" && *less == "default" { high } else { low };
                let shown =
                    if *more == "defaultRequest" { amount_of(&item[*more][resource]) } else { shown.to_string() };
                errors.push(FieldError::invalid(format!("{path}.{at}[{resource}]"), &json!(shown), &why));
            }
        }
    }
    for (resource, ratio) in members(&item["maxLimitRequestRatio"]) {
        if let Some(given) = resources::quantity(ratio).filter(|q| q.milli_value() < 1000) {
            let path = format!("{path}.maxLimitRequestRatio[{resource}]");
            errors.push(FieldError::invalid(path, &json!(given.to_string()), &format!("ratio {given} is less than 1")));
        }
    }
}

fn amount_of(value: &Value) -> String {
    resources::quantity(value).map(|q| q.to_string()).unwrap_or_default()
}

fn names_resource(errors: &mut Errors, name: &str, path: &str, of_container: bool) {
    rules::form(errors, names::qualified_name(name), path, name);
    if of_container && !name.contains('/') && !resources::is_standard(name) {
        let why = "must be a standard resource for containers";
        errors.push(FieldError::invalid(path, &json!(name), why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{defaulted, errors};

    #[test]
    fn defaults_come_from_the_bounds() {
        let item = json!({"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}});
        let object = defaulted(&KIND, &json!({"spec": {"limits": [item]}}));
        let item = &object["spec"]["limits"][0];
        assert_eq!(item["default"], json!({"cpu": "2"}));
        assert_eq!(item["defaultRequest"], json!({"cpu": "2", "memory": "1Mi"}));
    }

    #[test]
    fn messages() {
        let limits = json!([{"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "default": {}}, {"type": "Pod"}]);
        assert_eq!(
            errors(&KIND, &json!({"spec": {"limits": limits}})),
            [
                "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
                r#"spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1"#,
                r#"spec.limits[1].type: Duplicate value: "Pod""#,
            ]
        );
    }
}
