//! Node: a machine that runs pods.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{at, is_unset, items, members, pair, text},
    kind::ALL_VERBS,
    names, resources,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp, meta};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A label `node-role.kubernetes.io/<role>` gives a node a role.
const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
/// The older label whose value is the role.
const ROLE_LABEL: &str = "kubernetes.io/role";
/// What a taint may do to pods that do not tolerate it.
const TAINT_EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// core/v1 Node.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "Node",
    list_kind: "NodeList",
    plural: "nodes",
    singular: "node",
    short_names: &["no"],
    categories: &[],
    namespaced: false,
    resource: "nodes",
    schema: "io.k8s.api.core.v1.Node",
    verbs: ALL_VERBS,
    subresources: &[Subresource::proxy("NodeProxyOptions"), Subresource::part("status", "Node")],
    columns: &[
        Column::NAME,
        Column::text("Status"),
        Column::text("Roles"),
        Column::AGE,
        Column::text("Version"),
        Column::text("Internal-IP").wide(),
        Column::text("External-IP").wide(),
        Column::text("OS-Image").wide(),
        Column::text("Kernel-Version").wide(),
        Column::text("Container-Runtime").wide(),
    ],
    row,
    selectable: &["spec.unschedulable"],
    select: Some(select),
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &Node,
};

struct Node;

impl Strategy for Node {
    fn default(&self, object: &mut Value) {
        let capacity = at(object, "status.capacity").clone();
        if capacity.is_object() {
            meta::member_mut(object, "status").entry("allocatable").or_insert(capacity);
        }
        if let Some(spec) = object.get_mut("spec") {
            pair(spec, "podCIDR", "podCIDRs", None);
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let mut seen = BTreeSet::new();
        for (i, taint) in items(at(object, "spec.taints")).iter().enumerate() {
            // Kubernetes names them so.
            let path = format!("metadata.taints[{i}]");
            let key = text(&taint["key"]);
            rules::form(&mut errors, names::qualified_name(key), &child(&path, "key"), key);
            let value = text(&taint["value"]);
            rules::form(&mut errors, names::label_value(value), &child(&path, "value"), value);
            rules::required_one_of(&mut errors, &taint["effect"], &child(&path, "effect"), TAINT_EFFECTS);
            if !seen.insert((text(&taint["key"]), text(&taint["effect"]))) {
                let mut error = FieldError::duplicate(&path, taint);
                error.message.push_str(": taints must be unique by key and effect pair");
                errors.push(error);
            }
        }
        for list in ["capacity", "allocatable"] {
            for (name, amount) in members(&object["status"][list]) {
                let negative = resources::quantity(amount).is_some_and(|q| q.is_negative());
                if negative {
                    let why = "must be greater than or equal to 0";
                    errors.push(FieldError::invalid(format!("status.{list}.{name}"), amount, why));
                }
            }
        }
        for (i, cidr) in items(at(object, "spec.podCIDRs")).iter().enumerate() {
            rules::form(&mut errors, names::cidr(text(cidr)), &format!("spec.podCIDRs[{i}]"), text(cidr));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let addresses = items(at(object, "status.addresses"));
        for (i, address) in addresses.iter().enumerate().filter(|(i, a)| addresses.iter().take(*i).any(|b| b == *a)) {
            errors.push(FieldError::duplicate(format!("status.addresses[{i}]"), address));
        }
        for (field, name) in [("podCIDRs", "podCIDR"), ("providerID", "providerID")] {
            let (new, old) = (&object["spec"][field], &old["spec"][field]);
            if !is_unset(old) && new != old {
                let why = format!("node updates may not change {name} except from \"\" to valid");
                errors.push(FieldError::forbidden(format!("spec.{field}"), &why));
            }
        }
        errors
    }
}

fn select(object: &Value, _field: &str) -> String {
    (at(object, "spec.unschedulable") == &json!(true)).to_string()
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let info = at(object, "status.nodeInfo");
    let address = |kind: &str| {
        let list = items(at(object, "status.addresses"));
        cells::or_none(list.iter().find(|a| a["type"] == kind).map_or(&Value::Null, |a| &a["address"]))
    };
    vec![
        cells::name(object),
        json!(status(object)),
        json!(roles(object)),
        cells::age(object, now),
        json!(text(&info["kubeletVersion"])),
        json!(address("InternalIP")),
        json!(address("ExternalIP")),
        json!(cells::or_unknown(&info["osImage"])),
        json!(cells::or_unknown(&info["kernelVersion"])),
        json!(cells::or_unknown(&info["containerRuntimeVersion"])),
    ]
}

/// `Ready`, `NotReady` or `Unknown`, and `SchedulingDisabled` when cordoned.
fn status(object: &Value) -> String {
    let ready = items(at(object, "status.conditions")).iter().find(|c| c["type"] == "Ready");
    let word = match ready.map(|c| text(&c["status"])) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = at(object, "spec.unschedulable") == &json!(true);
    if cordoned { format!("{word},SchedulingDisabled") } else { word.to_owned() }
}

fn roles(object: &Value) -> String {
    let roles: BTreeSet<&str> = meta::pairs(object, "labels")
        .filter_map(|(key, value)| {
            let role = if key == ROLE_LABEL { Some(value) } else { key.strip_prefix(ROLE_PREFIX) };
            role.filter(|r| !r.is_empty())
        })
        .collect();
    cells::or_none(&json!(Vec::from_iter(roles).join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_roles() {
        let node = json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "control-plane"}},
            "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        assert_eq!(status(&node), "NotReady,SchedulingDisabled");
        assert_eq!(roles(&node), "control-plane,worker");
        assert_eq!((status(&json!({})), roles(&json!({}))), ("Unknown".to_owned(), "<none>".to_owned()));
        assert_eq!(KIND.field(&node, "spec.unschedulable").as_deref(), Some("true"));
        assert_eq!(KIND.field(&json!({}), "spec.unschedulable").as_deref(), Some("false"));
        assert_eq!(KIND.field(&node, "spec.podCIDR"), None);
    }

    #[test]
    fn a_pod_cidr_is_given_once() {
        let node = |cidr: &str| json!({"spec": {"podCIDRs": [cidr]}});
        let context = Context { now: Timestamp::UNIX_EPOCH, user: "", subresource: "" };
        assert!(Node.validate_update(&node("10.0.0.0/24"), &json!({"spec": {}}), &context).is_empty());
        let errors = Node.validate_update(&node("10.0.0.0/24"), &node("10.0.1.0/24"), &context);
        assert_eq!(
            errors[0].to_string(),
            "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"
        );
        assert_eq!(Node.validate(&node("10.0.0.0/33"))[0].field, "spec.podCIDRs[0]");
    }
}
