//! Notices nodes that fall silent, taints them, and evicts the pods that do not tolerate it.
//!
//! `health` says who is silent, `taints` what follows, `zones` how fast, `eviction` who leaves.

mod eviction;
mod health;
mod taints;
mod zones;

pub use health::ready;

use crate::{Controller, Ids, Plan, View, pods, resource};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};

/// Namespace of the Leases that nodes renew.
pub const LEASE_NAMESPACE: &str = "kube-node-lease";
/// Seconds without a sign of life after which a node counts as unreachable.
pub const GRACE_SECONDS: i64 = 40;

/// The controller of nodes' health; its keys are nodes.
pub struct NodeLifecycleController;

impl Controller for NodeLifecycleController {
    fn name(&self) -> &'static str {
        "nodelifecycle"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::NODES, resource::LEASES, resource::PODS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        match resource {
            // Who answers decides how fast the others are given up.
            resource::NODES if health::turned(view, event) => {
                let silent = view.nodes.all().filter(|node| !health::ready(node));
                let others = silent.map(|node| node.key().clone()).filter(|other| other != key);
                std::iter::once(key.clone()).chain(others).collect()
            }
            resource::NODES => vec![key.clone()],
            resource::LEASES if key.namespace == LEASE_NAMESPACE => vec![Key::new("", key.name.as_str())],
            resource::PODS => {
                // Only nodes in trouble care for their pods.
                let node = view.pods.get(key).and_then(|pod| view.nodes.get(&Key::new("", pods::node(pod)?)));
                node.filter(|node| !health::ready(node) || taints::evicting(node).next().is_some())
                    .map(|node| node.key().clone())
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.nodes.all().map(|node| node.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let mut plan = Plan::default();
        let Some(node) = view.nodes.get(key).filter(|node| !node.deleting()) else { return plan };
        health::decide(view, node, now, &mut plan);
        if plan.writes.is_empty() {
            // Taints follow the conditions as stored: one write at a time, each on what it saw.
            taints::decide(view, node, now, &mut plan);
        }
        if plan.writes.is_empty() {
            // Nor does anybody leave for a taint that is just being taken off.
            eviction::decide(view, node, now, &mut plan);
        }
        plan
    }
}
