//! Gives every node a /24 of the cluster's pod network.

use crate::{Controller, Ids, Plan, View, resource, write};
use k8s_openapi::api::core::v1::Node;
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;
use std::{collections::BTreeSet, net::Ipv4Addr};

/// Length of the prefix that a node gets.
const NODE_PREFIX: u8 = 24;

/// Reason where all networks are taken.
const NOT_AVAILABLE: &str = "CIDRNotAvailable";
/// How many nodes one decision serves at most; the next one goes on.
pub const BURST_LIMIT: usize = 500;

/// The controller of `spec.podCIDR`. One key for all nodes: two decisions at once could give
/// one network to two nodes.
pub struct NodeIpamController {
    base: u32,
    prefix: u8,
}

impl NodeIpamController {
    /// Hands out parts of an IPv4 network such as `10.244.0.0/16`; the reason where it is none
    /// or too small for one node.
    pub fn new(cluster_cidr: &str) -> Result<Self, String> {
        let (base, prefix) = parse(cluster_cidr).ok_or_else(|| format!("invalid CIDR address: {cluster_cidr}"))?;
        if prefix > NODE_PREFIX {
            return Err(format!("cluster CIDR {cluster_cidr} is smaller than a node's /{NODE_PREFIX}"));
        }
        Ok(Self { base, prefix })
    }

    /// Networks that no node has, in order.
    fn free(&self, view: &View) -> impl Iterator<Item = String> {
        let shift = 32 - u32::from(NODE_PREFIX);
        let taken: BTreeSet<u32> = view
            .nodes
            .all()
            .filter_map(|node| parse(node.spec.as_ref()?.pod_cidr.as_deref()?))
            .map(|(base, _)| base >> shift)
            .collect();
        let first = self.base >> shift;
        let count = 1_u32 << (NODE_PREFIX - self.prefix);
        let free = (first..first.saturating_add(count)).filter(move |network| !taken.contains(network));
        free.map(move |network| format!("{}/{NODE_PREFIX}", Ipv4Addr::from(network << shift)))
    }
}

/// Whether a node has no network.
fn without(node: &Node) -> bool {
    node.spec.as_ref().and_then(|spec| spec.pod_cidr.as_deref()).is_none_or(str::is_empty)
}

/// Base and length of an IPv4 network.
fn parse(cidr: &str) -> Option<(u32, u8)> {
    let (address, prefix) = cidr.split_once('/')?;
    let (address, prefix) = (u32::from(address.parse::<Ipv4Addr>().ok()?), prefix.parse::<u8>().ok()?);
    let mask = match prefix {
        0 => 0,
        1..=32 => u32::MAX << (32 - u32::from(prefix)),
        _ => return None,
    };
    Some((address & mask, prefix))
}

impl Controller for NodeIpamController {
    fn name(&self) -> &'static str {
        "nodeipam"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::NODES]
    }
    fn keys(&self, view: &View, _resource: &str, event: &Event) -> Vec<Key> {
        // Heartbeats of nodes that have to wait for a network wake no one.
        let waits = view.nodes.get(&event.object.key).is_none_or(|node| without(node) && event.previous.is_none());
        if waits { vec![Key::default()] } else { Vec::new() }
    }
    fn all_keys(&self, _view: &View) -> Vec<Key> {
        vec![Key::default()]
    }
    fn decide(&self, view: &View, _key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let mut plan = Plan::default();
        let waiting = view.nodes.all().filter(|node| !node.deleting() && without(node));
        let mut free = self.free(view);
        for node in waiting.take(BURST_LIMIT) {
            let Some(cidr) = free.next() else {
                plan.note = format!("{NOT_AVAILABLE}: no network is left for node {}", node.key());
                let message = format!("Node {} status is now: {NOT_AVAILABLE}", node.key().name);
                plan.events.push(write::event(node, "Normal", NOT_AVAILABLE, message));
                continue;
            };
            let patch = json!({"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}});
            let mut write = write::patch(resource::NODES, "", node, patch);
            // Heartbeats move the revision all the time; the field is this controller's alone.
            write.any_revision();
            plan.writes.push(write);
        }
        // A burst leaves some out.
        plan.wake_at = (plan.writes.len() >= BURST_LIMIT).then_some(now);
        plan
    }
}
