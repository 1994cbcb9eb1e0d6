//! When that which waiting pods may need last changed, by revision.
//!
//! So a scheduler can tell from the view alone whether anything happened, since it last looked
//! at a pod, that could help it.

use super::Item;
use crate::pods;
use k8s_openapi::api::core::v1::{Node, Pod};
use podium_machinery::state::Object;

/// Revisions; 0 where nothing of the sort happened yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// A pod went, or asks for less: its resources, ports, volumes and place are free.
    pub room: u64,
    /// A pod came to a node, has other labels, or is on its way out.
    pub company: u64,
    /// A node came, went, or offers, is called or repels something else.
    pub nodes: u64,
    /// A namespace has other labels.
    pub namespaces: u64,
    /// A claim, a volume or a storage class changed.
    pub storage: u64,
}

impl Moves {
    /// The newest of them.
    pub fn newest(&self) -> u64 {
        [self.room, self.company, self.nodes, self.namespaces, self.storage].into_iter().max().unwrap_or(0)
    }

    pub(super) fn pod(&mut self, old: Option<&Item<Pod>>, new: Option<&Item<Pod>>, revision: u64) {
        let (held, holds) = (old.and_then(place), new.and_then(place));
        let asks_less = || match (old, new) {
            (Some(old), Some(new)) => old.meta().generation != new.meta().generation && !same_containers(old, new),
            _ => false,
        };
        if held.is_some() && (held != holds || asks_less()) {
            self.room = revision;
        }
        let Some(new) = new.filter(|pod| pods::node(pod).is_some() && !pods::terminal(pod)) else { return };
        let as_before = |old: &Item<Pod>| {
            pods::node(old).is_some() && old.object.labels == new.object.labels && old.deleting() == new.deleting()
        };
        if !old.is_some_and(as_before) {
            self.company = revision;
        }
    }

    pub(super) fn node(&mut self, old: Option<&Item<Node>>, new: Option<&Item<Node>>, revision: u64) {
        let same = match (old, new) {
            (Some(old), Some(new)) => facts(old) == facts(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if !same {
            self.nodes = revision;
        }
    }

    pub(super) fn namespace(&mut self, old: Option<&Object>, new: Option<&Object>, revision: u64) {
        if old.map(|object| &object.labels) != new.map(|object| &object.labels) {
            self.namespaces = revision;
        }
    }
}

/// The node on which a pod takes, or is to be given, room.
fn place(pod: &Item<Pod>) -> Option<&str> {
    let nominated = pod.status.as_ref().and_then(|status| status.nominated_node_name.as_deref());
    pods::node(pod).or(nominated).filter(|node| !node.is_empty() && !pods::terminal(pod))
}

fn same_containers(old: &Pod, new: &Pod) -> bool {
    let containers = |pod: &Pod| pod.spec.as_ref().map(|spec| spec.containers.clone());
    containers(old) == containers(new)
}

/// What a node is to pods that wait.
fn facts(node: &Item<Node>) -> impl PartialEq + '_ {
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let spec = node.spec.as_ref();
    let taints = spec.and_then(|spec| spec.taints.as_ref());
    let cordoned = spec.and_then(|spec| spec.unschedulable).unwrap_or(false);
    (&node.object.labels, allocatable, taints, cordoned)
}
