//! Quality of service: which pods go first when a node runs short.

use crate::{json::items, resources};
use podium_types::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the classes look at.
const COUNTED: &[&str] = &["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort`, from the requests and limits of all containers.
pub fn qos_class(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    // Resources of the whole pod, where it has any, stand above those of its containers (KEP-2837).
    let parts: Vec<&Value> = if spec["resources"].is_object() {
        vec![spec]
    } else {
        items(&spec["containers"]).iter().chain(items(&spec["initContainers"])).collect()
    };
    let (mut requests, mut limits) = (BTreeMap::new(), BTreeMap::new());
    let mut all_limited = true;
    for part in parts {
        add(&mut requests, &part["resources"]["requests"]);
        all_limited &= add(&mut limits, &part["resources"]["limits"]) == COUNTED.len();
    }
    match (requests.is_empty() && limits.is_empty(), all_limited && requests == limits) {
        (true, _) => "BestEffort",
        (false, true) => "Guaranteed",
        (false, false) => "Burstable",
    }
}

/// Adds cpu and memory above zero; how many of the two there were.
fn add(sums: &mut BTreeMap<&'static str, Quantity>, list: &Value) -> usize {
    let mut found = 0;
    for name in COUNTED {
        let Some(amount) = resources::quantity(&list[*name]).filter(|q| !q.is_zero() && !q.is_negative()) else {
            continue;
        };
        let sum = sums.entry(name).or_default();
        *sum = *sum + amount;
        found += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes() {
        let pod = |list: &[Value]| json!({"spec": {"containers": list.iter().map(|r| json!({"resources": r})).collect::<Vec<_>>()}});
        let full = json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}});
        let cases = [
            (pod(&[json!({})]), "BestEffort"),
            (pod(&[json!({"requests": {"cpu": "0"}})]), "BestEffort"),
            (pod(&[json!({"requests": {"example.com/gpu": "1"}})]), "BestEffort"),
            (pod(&[json!({"requests": {"cpu": "1m"}})]), "Burstable"),
            (pod(std::slice::from_ref(&full)), "Guaranteed"),
            (pod(&[full.clone(), full.clone()]), "Guaranteed"),
            (pod(&[full.clone(), json!({})]), "Burstable"),
            (
                pod(&[json!({"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "2"}})]),
                "Burstable",
            ),
            (pod(&[json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}})]), "Burstable"),
        ];
        for (pod, class) in cases {
            assert_eq!(qos_class(&pod), class, "{pod}");
        }
    }
}
