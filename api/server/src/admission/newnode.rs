//! TaintNodesByCondition: nothing is scheduled onto a new node before its conditions are known.

use podium_types::{ApiError, meta};
use serde_json::{Value, json};

const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Adds the taint that the node lifecycle controller takes away.
pub(super) fn taint(node: &mut Value) -> Result<(), ApiError> {
    let spec = meta::member_mut(node, "spec");
    let taints = spec.entry("taints").or_insert_with(|| json!([]));
    if taints.is_null() {
        *taints = json!([]);
    }
    if let Some(taints) = taints.as_array_mut()
        && !taints.iter().any(|t| t["key"] == NOT_READY && t["effect"] == "NoSchedule")
    {
        taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once() {
        let other = json!({"key": "gpu", "effect": "NoSchedule"});
        let ours = json!({"key": NOT_READY, "effect": "NoSchedule"});
        for (before, after) in [
            (json!(null), json!([ours])),
            (json!([other]), json!([other, ours])),
            (json!([ours, other]), json!([ours, other])),
        ] {
            let mut node = json!({"spec": {"taints": before}});
            assert!(taint(&mut node).is_ok());
            assert_eq!(node["spec"]["taints"], after);
        }
    }
}
