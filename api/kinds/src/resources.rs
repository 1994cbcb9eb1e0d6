//! Requests and limits: reading, writing in canonical form, and what they may be.

use crate::{
    json::{is_unset, items, members, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Quantity};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Resources that Kubernetes itself knows of a container.
const STANDARD: &[&str] = &["cpu", "memory", "ephemeral-storage"];
/// Prefix of the resources of huge pages of a size.
pub(crate) const HUGE_PAGES: &str = "hugepages-";

/// The quantity, written as a string or a number; `None` where it is neither or malformed.
pub(crate) fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(s) => Quantity::parse(s).ok(),
        Value::Number(n) => Quantity::parse(&n.to_string()).ok(),
        _ => None,
    }
}

/// Brings the quantity into the one form that Kubernetes stores (`0.5` is `500m`).
pub(crate) fn canonical(value: &mut Value) {
    if let Some(quantity) = quantity(value) {
        *value = json!(quantity.to_string());
    }
}

/// The same for all amounts of a resource list.
pub(crate) fn canonical_list(list: &mut Value) {
    list.as_object_mut().map(Map::values_mut).into_iter().flatten().for_each(canonical);
}

/// Requests are what is limited, where nothing else was asked for.
pub(crate) fn default_requests(resources: &mut Value) {
    let limits = resources["limits"].clone();
    let Some(resources) = resources.as_object_mut() else { return };
    if limits.as_object().is_none_or(Map::is_empty) {
        return;
    }
    let requests = resources.entry("requests").or_insert(Value::Null);
    if requests.is_null() {
        *requests = json!({});
    }
    for (name, limit) in members(&limits) {
        if requests.get(name).is_none() {
            crate::json::set(requests, name, limit.clone());
        }
    }
}

/// Whether a container knows a resource of that name without a domain.
pub(crate) fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || name.starts_with(HUGE_PAGES)
}

/// Rules for `resources` of a container or pod.
pub(crate) fn validate(errors: &mut Errors, resources: &Value, path: &str) {
    for list in ["limits", "requests"] {
        for (name, amount) in members(&resources[list]) {
            resource(errors, name, amount, &format!("{path}.{list}[{name}]"));
        }
    }
    let of_all = path;
    let path = child(path, "requests");
    for (name, request) in members(&resources["requests"]) {
        let limit = &resources["limits"][name];
        let overcommit = STANDARD.contains(&name.as_str());
        let (Some(asked), limited) = (quantity(request), quantity(limit)) else { continue };
        match limited {
            Some(limited) if overcommit && asked > limited => {
                let why = format!("must be less than or equal to {name} limit of {limited}");
                errors.push(FieldError::invalid(&path, &json!(asked.to_string()), &why));
            }
            Some(limited) if !overcommit && asked != limited => {
                let why = format!("must be equal to {name} limit of {limited}");
                errors.push(FieldError::invalid(&path, &json!(asked.to_string()), &why));
            }
            None if !overcommit && is_unset(limit) => {
                let why = "Limit must be set for non overcommitable resources";
                errors.push(FieldError::required(path.replace(".requests", ".limits"), why));
            }
            _ => {}
        }
    }
    huge_pages(errors, resources, of_all);
}

/// What a container claims of the devices of its pod (`all`).
pub(crate) fn claims(errors: &mut Errors, resources: &Value, path: &str, all: &Value) {
    let mut seen = BTreeSet::new();
    let known: Vec<&str> = items(all).iter().map(|claim| text(&claim["name"])).filter(|n| !n.is_empty()).collect();
    for (i, claim) in items(&resources["claims"]).iter().enumerate() {
        let path = format!("{path}.claims[{i}]");
        let (name, request) = (text(&claim["name"]), text(&claim["request"]));
        if name.is_empty() {
            errors.push(FieldError::required(path, ""));
            continue;
        }
        let key = if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") };
        if !request.is_empty() {
            rules::form(errors, names::dns_label(request), &child(&path, "request"), request);
        }
        if seen.contains(name) {
            errors.push(FieldError::duplicate(&path, &json!(name)));
        } else {
            rules::unique(errors, &mut seen, &key, &path);
        }
        if !known.contains(&name) {
            let mut error = FieldError::not_found(path, &json!(name));
            error.message.push_str(": must be one of the names in pod.spec.resourceClaims");
            match known[..] {
                [] => error.message.push_str(" which is empty"),
                _ => error.message.push_str(&format!(": {}", known.join(", "))),
            }
            errors.push(error);
        }
    }
}

/// Huge pages are whole, and nothing to live on alone.
fn huge_pages(errors: &mut Errors, resources: &Value, path: &str) {
    let mut huge = false;
    for list in ["limits", "requests"] {
        for (name, amount) in members(&resources[list]) {
            let Some(size) = name.strip_prefix(HUGE_PAGES) else { continue };
            huge = true;
            let (Some(amount), Ok(size)) = (quantity(amount), Quantity::parse(size)) else { continue };
            if size.value() <= 0 || amount.value() % size.value() != 0 {
                let why = format!("{amount} is not positive integer multiple of {name}");
                errors.push(FieldError::invalid(format!("{path}.{list}[{name}]"), &json!(amount.to_string()), &why));
            }
        }
    }
    let lives = |list: &str| ["cpu", "memory"].iter().any(|name| !resources[list][*name].is_null());
    if huge && !lives("limits") && !lives("requests") {
        errors.push(FieldError::forbidden(path, "HugePages require cpu or memory"));
    }
}

/// Rules for an amount of a resource that a container may have.
pub(crate) fn resource(errors: &mut Errors, name: &str, amount: &Value, path: &str) {
    rules::form(errors, names::qualified_name(name), path, name);
    let extended = name.contains('/');
    if !extended && !is_standard(name) {
        let why = "must be a standard resource for containers";
        errors.push(FieldError::invalid(path, &json!(name), why));
    }
    let Some(quantity) = quantity(amount) else {
        let why = amount.as_str().and_then(|s| Quantity::parse(s).err()).unwrap_or("must be a quantity");
        errors.push(FieldError::invalid(path, amount, why));
        return;
    };
    if quantity.is_negative() {
        let shown = json!(quantity.to_string());
        errors.push(FieldError::invalid(path, &shown, "must be greater than or equal to 0"));
    } else if extended && quantity.milli_value() % 1000 != 0 {
        errors.push(FieldError::invalid(path, &json!(quantity.to_string()), "must be an integer"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_and_defaulted() {
        let mut list = json!({"cpu": 0.5, "memory": "1024Mi", "x": {}});
        canonical_list(&mut list);
        assert_eq!(list, json!({"cpu": "500m", "memory": "1Gi", "x": {}}));
        let mut resources = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}});
        default_requests(&mut resources);
        assert_eq!(resources["requests"], json!({"cpu": "100m", "memory": "1Gi"}));
    }

    #[test]
    fn messages() {
        let cases = [
            (json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}), vec![]),
            (
                json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
                vec![r#"r.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#],
            ),
            (
                json!({"limits": {"cpu": "-1"}}),
                vec![r#"r.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0"#],
            ),
            (
                json!({"limits": {"foo": "1"}}),
                vec![r#"r.limits[foo]: Invalid value: "foo": must be a standard resource for containers"#],
            ),
            (
                json!({"requests": {"a.io/gpu": "1"}}),
                vec!["r.limits: Required value: Limit must be set for non overcommitable resources"],
            ),
            (
                json!({"requests": {"a.io/gpu": "1"}, "limits": {"a.io/gpu": "2"}}),
                vec![r#"r.requests: Invalid value: "1": must be equal to a.io/gpu limit of 2"#],
            ),
            (
                json!({"limits": {"a.io/gpu": "1500m"}}),
                vec![r#"r.limits[a.io/gpu]: Invalid value: "1500m": must be an integer"#],
            ),
        ];
        for (resources, expected) in cases {
            let mut errors = Errors::new();
            validate(&mut errors, &resources, "r");
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{resources}");
        }
    }
}
