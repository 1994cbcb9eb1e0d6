//! Which pods a node under pressure takes in.

use super::{Pressure, is_critical};
use crate::qos::{self, QosClass};
use k8s_openapi::api::core::v1::{Pod, Toleration};
use std::collections::BTreeSet;

/// The taint of a node with too little memory.
const MEMORY_TAINT: &str = "node.kubernetes.io/memory-pressure";

/// Why the pod is not taken in; None where it is. Where memory alone is short, pods that asked for some are welcome.
pub fn refusal(pod: &Pod, pressures: &BTreeSet<Pressure>) -> Option<String> {
    if pressures.is_empty() || is_critical(pod) {
        return None;
    }
    let tolerations = pod.spec.iter().flat_map(|s| s.tolerations.iter().flatten());
    let welcome = qos::class(pod) != QosClass::BestEffort || tolerations.into_iter().any(tolerates);
    if pressures.iter().all(|p| *p == Pressure::Memory) && welcome {
        return None;
    }
    let names: Vec<&str> = pressures.iter().map(|p| p.condition()).collect();
    Some(format!("The node had condition: [{}]. ", names.join(" ")))
}

fn tolerates(toleration: &Toleration) -> bool {
    let exists = toleration.operator.as_deref() == Some("Exists");
    let key = match toleration.key.as_deref().unwrap_or_default() {
        "" => exists,
        key => key == MEMORY_TAINT,
    };
    let value = exists || toleration.value.as_deref().unwrap_or_default().is_empty();
    key && value && matches!(toleration.effect.as_deref(), None | Some("" | "NoSchedule"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pressure_keeps_pods_out() {
        let plain = json!({ "containers": [{ "name": "a" }] });
        let asks = json!({ "containers": [{ "name": "a", "resources": { "requests": { "memory": "1" } } }] });
        let tolerant = json!({ "containers": [], "tolerations": [{ "key": MEMORY_TAINT, "operator": "Exists" }] });
        let other = json!({ "containers": [], "tolerations": [{ "key": "x", "operator": "Exists" }] });
        let critical = json!({ "containers": [], "priority": 2_000_001_000 });
        let (memory, disk) = (Pressure::Memory, Pressure::Disk);
        for (spec, pressures, welcome) in [
            (&plain, vec![], true),
            (&plain, vec![memory], false),
            (&asks, vec![memory], true),
            (&asks, vec![memory, disk], false),
            (&asks, vec![disk], false),
            (&tolerant, vec![memory], true),
            (&tolerant, vec![disk], false),
            (&other, vec![memory], false),
            (&critical, vec![memory, disk], true),
        ] {
            let pod: Pod = serde_json::from_value(json!({ "spec": spec })).expect("a pod");
            let found = refusal(&pod, &pressures.iter().copied().collect());
            assert_eq!(found.is_none(), welcome, "{spec} {pressures:?}");
        }
        let pod = serde_json::from_value(json!({ "spec": plain })).expect("a pod");
        let message = refusal(&pod, &[memory, disk].into()).expect("a refusal");
        assert_eq!(message, "The node had condition: [MemoryPressure DiskPressure]. ");
    }
}
