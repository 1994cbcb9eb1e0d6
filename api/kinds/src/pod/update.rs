//! What an update may change of a pod: very little, since containers already run by its spec.

use super::{resize, status};
use crate::{
    diff,
    json::{at, carry, int, items, members, remove, set, set_default},
    rules::Errors,
};
use podium_types::FieldError;
use serde_json::{Map, Value};

/// Where the terms stand that a node must meet.
const TERMS: &str = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
const FIXED: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Keeps what the written part of the pod does not own.
pub(super) fn prepare(object: &mut Value, old: &Value, subresource: &str) {
    match subresource {
        "ephemeralcontainers" => {
            let added = at(object, "spec.ephemeralContainers").clone();
            carry(object, old, "spec");
            carry(object, old, "status");
            if let Some(spec) = object.get_mut("spec").filter(|_| !added.is_null()) {
                set(spec, "ephemeralContainers", added);
            }
        }
        "resize" => resize::prepare(object, old),
        "status" => {
            status::prepare(object);
            let class = at(old, "status.qosClass");
            if let Some(status) = object.get_mut("status").filter(|_| !class.is_null()) {
                set(status, "qosClass", class.clone());
            }
        }
        _ => {
            if let Some(spec) = object.get_mut("spec") {
                carry(spec, &old["spec"], "ephemeralContainers");
            }
        }
    }
}

/// Rules for the change from `old` to `object`.
pub(super) fn validate(object: &Value, old: &Value, subresource: &str) -> Errors {
    let mut errors = Errors::new();
    match subresource {
        "" => spec(&mut errors, &object["spec"], &old["spec"]),
        "ephemeralcontainers" => {
            errors.extend(super::validate::pod(object));
            ephemeral(&mut errors, &object["spec"], &old["spec"]);
        }
        "resize" => {
            errors.extend(super::validate::pod(object));
            resize::validate(&mut errors, object, old);
        }
        "status" => status::validate(&mut errors, object, old),
        _ => {}
    }
    errors
}

fn spec(errors: &mut Errors, new: &Value, old: &Value) {
    for list in ["containers", "initContainers"] {
        if items(&new[list]).len() != items(&old[list]).len() {
            errors.push(FieldError::forbidden(format!("spec.{list}"), "pod updates may not add or remove containers"));
            return;
        }
    }
    let (deadline, before) = (&new["activeDeadlineSeconds"], &old["activeDeadlineSeconds"]);
    if let Some(before) = before.as_i64() {
        if deadline.is_null() {
            let why = "must not update from a positive integer to nil value";
            errors.push(FieldError::invalid("spec.activeDeadlineSeconds", deadline, why));
        } else if int(deadline) > before {
            let why = "must be less than or equal to previous value";
            errors.push(FieldError::invalid("spec.activeDeadlineSeconds", deadline, why));
        }
    }
    tolerations(errors, new, old);
    gates(errors, new, old);
    let [new, old] = [fixed(new, old), fixed(old, old)];
    if new != old {
        errors.push(FieldError::forbidden("spec", &diff::explained(FIXED, &old, &new, "spec")));
    }
}

/// The spec with what may change taken from `old`, and what says nothing taken out.
fn fixed(spec: &Value, old: &Value) -> Value {
    let mut spec = spec.clone();
    for list in ["containers", "initContainers"] {
        for (i, container) in crate::json::items_mut(&mut spec, list).enumerate() {
            carry(container, &old[list][i], "image");
        }
    }
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        remove(&mut spec, field);
    }
    if int(&old["terminationGracePeriodSeconds"]) < 0 && int(&spec["terminationGracePeriodSeconds"]) == 1 {
        carry(&mut spec, old, "terminationGracePeriodSeconds");
    }
    // A gated pod has not been looked at by the scheduler: it may still be narrowed down.
    if !items(&old["schedulingGates"]).is_empty() {
        carry(&mut spec, old, "nodeSelector");
        let kept = at(old, "affinity.nodeAffinity").clone();
        set_default(&mut spec, "affinity", Value::Object(Map::new()));
        if let Some(affinity) = spec.get_mut("affinity") {
            set(affinity, "nodeAffinity", kept);
        }
    }
    compact(spec)
}

/// The value without members that Go would not write: null, `""`, `[]` and `{}`.
fn compact(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().map(|(k, v)| (k, compact(v))).filter(|(_, v)| !crate::json::is_unset(v));
            Value::Object(kept.collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(compact).collect()),
        other => other,
    }
}

fn tolerations(errors: &mut Errors, new: &Value, old: &Value) {
    let kept = |t: &Value| {
        // Only the time of an existing toleration may change.
        let same = |n: &&Value| ["key", "operator", "value", "effect"].iter().all(|f| n[*f] == t[*f]);
        items(&new["tolerations"]).iter().any(|n| same(&n))
    };
    if !items(&old["tolerations"]).iter().all(kept) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden("spec.tolerations", why));
    }
}

fn gates(errors: &mut Errors, new: &Value, old: &Value) {
    let before = items(&old["schedulingGates"]);
    if !before.is_empty()
        && members(&old["nodeSelector"]).any(|(key, value)| new["nodeSelector"].get(key) != Some(value))
    {
        let why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.push(FieldError::invalid("spec.nodeSelector", &new["nodeSelector"], why));
    }
    if !before.is_empty() {
        affinity(errors, new, old);
    }
    for (i, gate) in items(&new["schedulingGates"]).iter().enumerate() {
        if !before.contains(gate) {
            let why = "only deletion is allowed, but found new scheduling gate";
            let why = format!("{why} '{}'", crate::json::text(&gate["name"]));
            errors.push(FieldError::forbidden(format!("spec.schedulingGates[{i}].name"), &why));
        }
    }
}

/// Where a gated pod may run is only narrowed down.
fn affinity(errors: &mut Errors, new: &Value, old: &Value) {
    let [terms, before] = [new, old].map(|spec| items(at(spec, TERMS)));
    if before.is_empty() {
        return;
    }
    let path = format!("spec.{TERMS}");
    if terms.len() != before.len() {
        let why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.push(FieldError::invalid(path, at(new, TERMS), why));
        return;
    }
    for (i, (term, was)) in terms.iter().zip(before).enumerate() {
        let [rules, old_rules] = [term, was].map(|t| ["matchExpressions", "matchFields"].map(|f| items(&t[f])));
        let was_empty = old_rules.iter().all(|list| list.is_empty());
        let longer = rules.iter().zip(old_rules).all(|(list, old)| list.starts_with(old));
        if !longer || (was_empty && rules.iter().any(|list| !list.is_empty())) {
            let why = "only additions are allowed (no mutations or deletions)";
            errors.push(FieldError::invalid(format!("{path}[{i}]"), term, why));
        }
    }
}

fn ephemeral(errors: &mut Errors, new: &Value, old: &Value) {
    let (list, before) = (items(&new["ephemeralContainers"]), items(&old["ephemeralContainers"]));
    for was in before {
        match list.iter().find(|c| c["name"] == was["name"]) {
            None => {
                let why = format!("existing ephemeral containers {} may not be removed", was["name"]);
                errors.push(FieldError::forbidden("spec.ephemeralContainers", &why));
            }
            Some(now) if compact(now.clone()) != compact(was.clone()) => {
                let why = format!("existing ephemeral containers {} may not be changed", was["name"]);
                errors.push(FieldError::forbidden("spec.ephemeralContainers", &why));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(change: fn(&mut Value)) -> Vec<String> {
        let old = json!({"spec": {"containers": [{"name": "a", "image": "a:1"}], "nodeName": "n",
            "activeDeadlineSeconds": 10, "schedulingGates": [{"name": "g"}],
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute"}]}});
        let mut new = old.clone();
        change(&mut new["spec"]);
        validate(&new, &old, "").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn little_may_change() {
        let fixed = |lines: &str| vec![format!("spec: Forbidden: {FIXED}\n{lines}")];
        type Case = (fn(&mut Value), Vec<String>);
        let cases: [Case; 9] = [
            (|_| {}, vec![]),
            (|s| s["containers"][0]["image"] = json!("a:2"), vec![]),
            (|s| s["containers"][0]["ports"] = json!([]), vec![]),
            (|s| s["containers"][0]["command"] = json!(["x"]), fixed(r#"+ spec.containers[0].command: ["x"]"#)),
            (|s| s["nodeName"] = json!("m"), fixed("- spec.nodeName: \"n\"\n+ spec.nodeName: \"m\"")),
            (
                |s| s["containers"] = json!([]),
                vec!["spec.containers: Forbidden: pod updates may not add or remove containers".into()],
            ),
            (
                |s| s["activeDeadlineSeconds"] = json!(11),
                vec![
                    "spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value"
                        .into(),
                ],
            ),
            (
                |s| s["tolerations"] = json!([]),
                vec![
                    "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
                        .into(),
                ],
            ),
            (
                |s| s["schedulingGates"] = json!([{"name": "h"}]),
                vec![
                    "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'"
                        .into(),
                ],
            ),
        ];
        for (i, (change, expected)) in cases.into_iter().enumerate() {
            assert_eq!(changed(change), expected, "case {i}");
        }
    }

    #[test]
    fn ephemeral_containers_are_only_added() {
        let pod = |list: Value| {
            let mut pod = json!({"spec": {"containers": [{"name": "a", "image": "a"}], "ephemeralContainers": list}});
            super::super::defaults::pod(&mut pod);
            pod
        };
        let old = pod(json!([{"name": "e", "image": "x"}]));
        let mut new = pod(json!([{"name": "e", "image": "x"}, {"name": "f", "image": "y"}]));
        new["spec"]["nodeName"] = json!("other");
        prepare(&mut new, &old, "ephemeralcontainers");
        assert_eq!(new["spec"]["nodeName"], Value::Null);
        assert_eq!(items(&new["spec"]["ephemeralContainers"]).len(), 2);
        let fields =
            |new: &Value| validate(new, &old, "ephemeralcontainers").into_iter().map(|e| e.field).collect::<Vec<_>>();
        assert!(fields(&new).is_empty());
        assert_eq!(fields(&pod(json!([]))), ["spec.ephemeralContainers"]);
        assert_eq!(fields(&pod(json!([{"name": "e", "image": "y"}]))), ["spec.ephemeralContainers"]);
        let nameless = json!([{"name": "e", "image": "x"}, {"image": "y"}]);
        assert_eq!(fields(&pod(nameless)), ["spec.ephemeralContainers[1].name"]);
        prepare(&mut new, &old, "");
        assert_eq!(new["spec"]["ephemeralContainers"], old["spec"]["ephemeralContainers"]);
    }
}
