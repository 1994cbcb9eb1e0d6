//! Bindings that come too late: somebody else was faster, or the server said no.

use super::{Cluster, asks, with};
use podium_controllers::{Ids, PlannedWrite};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// Pods to be placed.
const PODS: usize = 12;

/// The node that a plan gives each pod, in the order of its writes.
fn bindings(cluster: &Cluster) -> Vec<(String, String)> {
    let writes = cluster.decide().writes.into_iter();
    writes
        .filter_map(|write| match write {
            PlannedWrite::Patch { subresource: "binding", key, patch, .. } => {
                Some((key.name, patch["target"]["name"].as_str()?.to_owned()))
            }
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever is refused, and whoever else binds meanwhile: each pod is bound once, and in the
    /// end none waits.
    #[test]
    fn what_was_refused_is_decided_again(seed in any::<u64>(), odds in 2_u64..5) {
        let mut dice = Ids::new(seed);
        let mut cluster = Cluster::default();
        for node in ["a", "b", "c"] {
            cluster.node(node, "8", json!({}), json!({}));
        }
        for at in 0..PODS {
            cluster.pod(&format!("p{at}"), asks("1"));
        }
        let mut bound: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..200 {
            let stale = bindings(&cluster);
            if stale.is_empty() {
                break;
            }
            // Between decision and commit another scheduler takes one of the pods.
            if dice.next().is_multiple_of(odds) && let Some((pod, _)) = stale.last() {
                bound.insert(pod.clone(), "c".to_owned());
                cluster.pod(pod, with(asks("1"), "nodeName", json!("c")));
            }
            for (pod, node) in stale {
                // The server refuses a second binding, and others at will.
                if !bound.contains_key(&pod) && !dice.next().is_multiple_of(odds) {
                    cluster.pod(&pod, with(asks("1"), "nodeName", json!(node)));
                    bound.insert(pod, node);
                }
            }
        }
        prop_assert_eq!(bound.len(), PODS);
        let node = |key: &podium_types::Key| {
            let pod = cluster.view.pods.get(key)?;
            pod.spec.as_ref()?.node_name.clone()
        };
        for (pod, expected) in bound {
            prop_assert_eq!(node(&podium_types::Key::new("default", &pod)), Some(expected));
        }
    }
}
