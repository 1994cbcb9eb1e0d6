//! The nodes as a batch sees them: what they offer, and what is taken so far.

use crate::ask::Ask;
use k8s_openapi::api::core::v1::{Node, Taint};
use podium_controllers::{
    Resources, View,
    view::{Item, Load},
};
use std::sync::Arc;

/// A node during a batch.
pub struct Place<'a> {
    /// The node.
    pub node: &'a Arc<Item<Node>>,
    /// What pods may ask of it.
    pub offer: Resources,
    /// What pods have asked of it, those placed in this batch included.
    pub load: Load,
}

impl Place<'_> {
    /// Name of the node.
    pub fn name(&self) -> &str {
        &self.node.key().name
    }
    /// Its taints.
    pub fn taints(&self) -> &[Taint] {
        self.node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
    }
    /// Whether it is cordoned.
    pub fn unschedulable(&self) -> bool {
        self.node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true)
    }
    /// Counts a pod in.
    pub fn take(&mut self, ask: &Ask) {
        self.load.requested.add(&ask.requests);
        self.load.weight = (self.load.weight.0 + ask.weight.0, self.load.weight.1 + ask.weight.1);
        for port in &ask.ports {
            *self.load.ports.entry(port.clone()).or_default() += 1;
        }
    }
}

/// Every node that is not being deleted, in name order, with its present load.
pub fn board(view: &View) -> Vec<Place<'_>> {
    let nodes = view.nodes.all().filter(|node| !node.deleting());
    nodes
        .map(|node| {
            let status = node.status.as_ref();
            let list = status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
            let offer = list.map(Resources::of_list).unwrap_or_default();
            Place { node, offer, load: view.load(&node.key().name).cloned().unwrap_or_default() }
        })
        .collect()
}
