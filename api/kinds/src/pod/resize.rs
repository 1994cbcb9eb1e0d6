//! `pods/resize`: requests and limits of containers, and nothing else (KEP-1287).

use super::qos_class;
use crate::{
    json::{at, carry, items, items_mut, text},
    rules::Errors,
};
use podium_types::FieldError;
use serde_json::Value;

/// Keeps everything but the containers' resources.
pub(super) fn prepare(object: &mut Value, old: &Value) {
    let wish = object["spec"].clone();
    carry(object, old, "spec");
    carry(object, old, "status");
    let Some(spec) = object.get_mut("spec") else { return };
    for list in ["containers", "initContainers"] {
        for container in items_mut(spec, list) {
            if let Some(new) = items(&wish[list]).iter().find(|c| c["name"] == container["name"]) {
                carry(container, new, "resources");
            }
        }
    }
}

/// Rules of a resize.
pub(super) fn validate(errors: &mut Errors, new: &Value, old: &Value) {
    if qos_class(new) != qos_class(old) {
        let why = "Pod QOS Class may not change as a result of resizing";
        errors.push(FieldError::invalid("spec", &Value::from(qos_class(new)), why));
    }
    for list in ["containers", "initContainers"] {
        for (i, container) in items(&new["spec"][list]).iter().enumerate() {
            let was = &old["spec"][list][i];
            if container["resources"] == was["resources"] {
                continue;
            }
            let path = format!("spec.{list}[{i}]");
            if list == "initContainers" && text(&container["restartPolicy"]) != "Always" {
                let why = "resources for non-sidecar init containers are immutable";
                errors.push(FieldError::forbidden(format!("{path}.resources"), why));
            }
            kept(errors, &container["resources"], &was["resources"], &format!("{path}.resources"));
        }
    }
    if matches!(text(at(old, "status.phase")), "Succeeded" | "Failed") {
        errors.push(FieldError::forbidden("", "Pods that are done cannot be resized"));
    }
}

/// Only CPU and memory change, and what was asked for once is not taken back.
fn kept(errors: &mut Errors, new: &Value, old: &Value, path: &str) {
    for side in ["requests", "limits"] {
        for (name, amount) in crate::json::members(&old[side]) {
            if new[side].get(name).is_none() {
                errors.push(FieldError::forbidden(format!("{path}.{side}"), "resource limits cannot be removed"));
            } else if !matches!(name.as_str(), "cpu" | "memory") && &new[side][name] != amount {
                let why = "only cpu and memory resources are mutable";
                errors.push(FieldError::forbidden(path, why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(cpu: &str, memory: &str) -> Value {
        let amounts = json!({ "cpu": cpu, "memory": memory });
        json!({ "metadata": { "name": "p" }, "status": { "phase": "Running" }, "spec": { "nodeName": "n", "containers": [
            { "name": "a", "image": "x", "resources": { "requests": amounts, "limits": amounts } }] } })
    }

    #[test]
    fn resources_change_and_nothing_else() {
        let old = pod("1", "1Gi");
        let mut new = pod("2", "1Gi");
        new["spec"]["nodeName"] = json!("other");
        new["spec"]["containers"][0]["image"] = json!("y");
        new["status"]["phase"] = json!("Failed");
        prepare(&mut new, &old);
        assert_eq!(new, pod("2", "1Gi"));
        let mut errors = Errors::new();
        validate(&mut errors, &new, &old);
        assert!(errors.is_empty());
        new["spec"]["containers"][0]["resources"]["limits"] = json!({ "cpu": "2" });
        validate(&mut errors, &new, &old);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
                "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
            ]
        );
    }
}
