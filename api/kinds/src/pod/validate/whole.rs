//! Rules that look at a pod as a whole: its own resources, and the users of its namespaces.

use crate::{
    json::{is_unset, items, members},
    resources as amounts,
    rules::{Errors, child},
};
use podium_types::{FieldError, Quantity};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Resources that a pod as a whole may ask for.
const SUPPORTED: &[&str] = &["cpu", "memory"];

/// Rules for what all containers together may have.
pub(super) fn resources(errors: &mut Errors, spec: &Value, path: &str) {
    let own = &spec["resources"];
    if !is_unset(&own["claims"]) {
        let why = "claims cannot be set for Resources at pod-level";
        errors.push(FieldError::forbidden(child(path, "claims"), why));
    }
    for list in ["limits", "requests"] {
        for (name, _) in members(&own[list]) {
            if !SUPPORTED.contains(&name.as_str()) && !name.starts_with(amounts::HUGE_PAGES) {
                let path = format!("{path}.{list}[{name}]");
                errors.push(FieldError::not_supported(path, &json!(name), SUPPORTED));
            }
        }
    }
    amounts::validate(errors, own, path);
    for (name, sum) in asked(spec) {
        let given = amounts::quantity(&own["requests"][&name]);
        let less = match &given {
            Some(given) => sum > *given,
            None => !sum.is_zero(),
        };
        if less {
            let shown = given.map_or_else(|| "0".to_owned(), |g| g.to_string());
            let why = format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.push(FieldError::invalid(format!("{path}.requests[{name}]"), &json!(shown), &why));
        }
    }
    for (i, container) in items(&spec["containers"]).iter().enumerate() {
        for (name, limit) in members(&container["resources"]["limits"]) {
            let [one, all] = [Some(limit), own["limits"].get(name)].map(|l| l.and_then(amounts::quantity));
            if let (Some(one), Some(all)) = (one, all)
                && one > all
            {
                let path = format!("{path}.containers[{i}][{name}].limits");
                let why = format!("must be less than or equal to pod limits of {all}");
                errors.push(FieldError::invalid(path, &json!(one.to_string()), &why));
            }
        }
    }
}

/// What containers that run side by side ask for together.
fn asked(spec: &Value) -> BTreeMap<String, Quantity> {
    let mut sums: BTreeMap<String, Quantity> = BTreeMap::new();
    let sidecars = items(&spec["initContainers"]).iter().filter(|c| c["restartPolicy"] == "Always");
    for container in items(&spec["containers"]).iter().chain(sidecars) {
        for (name, amount) in members(&container["resources"]["requests"]) {
            if let Some(amount) = amounts::quantity(amount) {
                let sum = sums.get(name).map_or(amount, |sum| *sum + amount);
                sums.insert(name.clone(), sum);
            }
        }
    }
    sums
}

/// Users of its own do not go with namespaces of the host.
pub(super) fn host_users(errors: &mut Errors, spec: &Value, path: &str) {
    if spec["hostUsers"] != json!(false) {
        return;
    }
    // Kubernetes writes two of the names in capitals.
    for (field, name) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec[field] == json!(true) {
            errors.push(FieldError::forbidden(child(path, name), "when `pod.Spec.HostUsers` is false"));
        }
    }
}
