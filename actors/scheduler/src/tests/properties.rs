//! What holds for every cluster: rules are kept, and the same picture gives the same decision.

use super::{Cluster, asks, with};
use podium_controllers::Plan;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Two kinds of pods: `lonely` ones bear none of their kind on a host, `even` ones want to lie
/// evenly over the zones.
fn spec(lonely: bool) -> Value {
    let selector = |app: &str| json!({"matchLabels": {"app": app}});
    if lonely {
        let term = json!({"topologyKey": "host", "labelSelector": selector("lonely")});
        let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
        with(asks("100m"), "affinity", affinity)
    } else {
        let constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": selector("even")});
        with(asks("100m"), "topologySpreadConstraints", json!([constraint]))
    }
}

fn app(lonely: bool) -> Value {
    json!({"app": if lonely { "lonely" } else { "even" }})
}

fn zone(node: usize) -> usize {
    node % 3
}

/// Decides and binds until nothing more is bound; the last plan.
fn settle(cluster: &mut Cluster, pods: &[bool], bound: &mut BTreeMap<String, String>) -> Plan {
    loop {
        let new = cluster.bindings();
        if new.is_empty() {
            return cluster.decide();
        }
        for (pod, node) in new {
            let lonely = pods[pod[1..].parse::<usize>().unwrap()];
            cluster.labelled(&pod, app(lonely), with(spec(lonely), "nodeName", json!(node)));
            bound.insert(pod, node);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn required_rules_hold_and_decisions_repeat(nodes in 3_usize..8, pods in prop::collection::vec(any::<bool>(), 0..24)) {
        let mut cluster = Cluster::default();
        for node in 0..nodes {
            let labels = json!({"host": format!("n{node}"), "zone": format!("z{}", zone(node))});
            cluster.node(&format!("n{node}"), "4", json!({}), labels);
        }
        for (at, lonely) in pods.iter().enumerate() {
            cluster.labelled(&format!("p{at}"), app(*lonely), spec(*lonely));
        }
        prop_assert_eq!(cluster.decide(), cluster.decide());
        let mut bound = BTreeMap::new();
        settle(&mut cluster, &pods, &mut bound);
        let mut hosts = BTreeMap::<String, usize>::new();
        let mut zones = [0_usize; 3];
        for (pod, node) in &bound {
            if pods[pod[1..].parse::<usize>().unwrap()] {
                *hosts.entry(node.clone()).or_default() += 1;
            } else {
                zones[zone(node[1..].parse().unwrap())] += 1;
            }
        }
        prop_assert!(hosts.values().all(|count| *count == 1), "{:?}", hosts);
        prop_assert!(zones.iter().max().unwrap() - zones.iter().min().unwrap() <= 1, "{:?}", zones);
        // No one waits without need.
        let lonely = pods.iter().filter(|lonely| **lonely).count();
        prop_assert_eq!(hosts.len(), lonely.min(nodes));
        prop_assert_eq!(zones.iter().sum::<usize>(), pods.len() - lonely);
    }
}
