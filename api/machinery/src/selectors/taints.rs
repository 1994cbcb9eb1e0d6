//! Taints and tolerations.

use k8s_openapi::api::core::v1::{Taint, Toleration};
use podium_types::meta;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The effects that keep pods away.
pub const HARD: &[&str] = &["NoSchedule", "NoExecute"];
/// The taint that a cordoned node counts as having.
pub const CORDON: &str = "node.kubernetes.io/unschedulable";

/// The first taint with one of these effects that nothing tolerates.
pub fn untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration], effects: &[&str]) -> Option<&'a Taint> {
    let mut relevant = taints.iter().filter(|taint| effects.contains(&taint.effect.as_str()));
    relevant.find(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

/// Whether tolerations cover that a node is cordoned.
pub fn tolerate_cordon(tolerations: &[Toleration]) -> bool {
    let taint = Taint { key: CORDON.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
    untolerated(&[taint], tolerations, HARD).is_none()
}

/// Whether a toleration covers a taint; without an effect it covers every effect, without
/// a key every key. Gt and Lt (KEP-5471) compare integers.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if set(&toleration.effect).is_some_and(|effect| effect != taint.effect) {
        return false;
    }
    if set(&toleration.key).is_some_and(|key| key != taint.key) {
        return false;
    }
    let wanted = toleration.value.as_deref().unwrap_or_default();
    let actual = taint.value.as_deref().unwrap_or_default();
    let numbers = || Some((actual.parse::<i64>().ok()?, wanted.parse::<i64>().ok()?));
    match toleration.operator.as_deref().unwrap_or_default() {
        "Exists" => true,
        "" | "Equal" => wanted == actual,
        "Gt" => numbers().is_some_and(|(actual, wanted)| actual > wanted),
        "Lt" => numbers().is_some_and(|(actual, wanted)| actual < wanted),
        _ => false,
    }
}

/// Why a node, where it is there at all, does not take a pod that was to go there.
pub fn closed(node: Option<&Value>, pod: &Value) -> Option<&'static str> {
    let Some(node) = node else { return Some("it is gone") };
    if meta::is_deleting(node) {
        return Some("it is being deleted");
    }
    let tolerations: Vec<Toleration> = read(&pod["spec"]["tolerations"]);
    if node["spec"]["unschedulable"] == true && !tolerate_cordon(&tolerations) {
        return Some("it is cordoned");
    }
    let taints: Vec<Taint> = read(&node["spec"]["taints"]);
    untolerated(&taints, &tolerations, HARD).map(|_| "it has a taint that the pod does not tolerate")
}

fn read<T: DeserializeOwned>(list: &Value) -> Vec<T> {
    serde_json::from_value(list.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations_cover_taints() {
        let taint: Taint = serde_json::from_value(json!({"key": "k", "value": "v", "effect": "NoSchedule"})).unwrap();
        for (toleration, expected) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "k", "operator": "Exists"}), true),
            (json!({"key": "k", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"key": "k", "value": "v"}), true),
            (json!({"key": "k", "operator": "Equal", "value": "w"}), false),
            (json!({"key": "x", "operator": "Exists"}), false),
        ] {
            let parsed = serde_json::from_value(toleration.clone()).unwrap();
            assert_eq!(tolerates(&parsed, &taint), expected, "{toleration}");
        }
    }

    #[test]
    fn a_node_that_changed_under_the_decision_takes_no_pod() {
        let taint = |effect: &str| json!([{"key": "k", "effect": effect}]);
        let everything = json!([{"operator": "Exists"}]);
        for (node, tolerations, expected) in [
            (Value::Null, json!([]), Some("it is gone")),
            (
                json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
                json!([]),
                Some("it is being deleted"),
            ),
            (json!({"spec": {"unschedulable": true}}), Value::Null, Some("it is cordoned")),
            (json!({"spec": {"unschedulable": true, "taints": taint("NoExecute")}}), everything.clone(), None),
            (
                json!({"spec": {"taints": taint("NoSchedule")}}),
                json!([]),
                Some("it has a taint that the pod does not tolerate"),
            ),
            (json!({"spec": {"taints": taint("PreferNoSchedule")}}), json!([]), None),
            (json!({"spec": {}}), json!([]), None),
        ] {
            let there = Some(&node).filter(|node| !node.is_null());
            assert_eq!(closed(there, &json!({"spec": {"tolerations": tolerations}})), expected, "{node}");
        }
    }
}
