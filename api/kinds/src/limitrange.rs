//! LimitRange: what pods, containers and claims of a namespace may ask for, and get unasked.

use crate::{
    Column, Kind, Strategy, cells,
    json::{items, items_mut, members, set, set_default, text},
    resources,
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

/// The amounts of an item, and those that may be no more than the next.
const LISTS: [&str; 5] = ["min", "defaultRequest", "default", "max", "maxLimitRequestRatio"];
const ORDER: &[(&str, &str)] = &[
    ("min", "max"),
    ("min", "defaultRequest"),
    ("defaultRequest", "max"),
    ("defaultRequest", "default"),
    ("min", "default"),
    ("default", "max"),
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
            rules::required(&mut errors, &item["type"], &child(&path, "type"), "");
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
    for (less, more) in ORDER {
        for (resource, amount) in members(&item[*less]) {
            let [low, high] = [Some(amount), item[*more].get(resource)].map(|a| a.and_then(resources::quantity));
            if let (Some(low), Some(high)) = (low, high)
                && low > high
            {
                let word = |list: &str| if list == "defaultRequest" { "default request" } else { list }.to_owned();
                let why = format!("{} value {low} is greater than {} value {high}", word(less), word(more));
                let path = format!("{path}.{less}[{resource}]");
                errors.push(FieldError::invalid(path, &json!(low.to_string()), &why));
            }
        }
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
