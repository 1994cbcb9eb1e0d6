//! Tells agents how long they may keep ConfigMaps and Secrets: the more nodes, the longer.

use crate::{Controller, Ids, Plan, View, resource, write};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;

const ANNOTATION: &str = "node.alpha.kubernetes.io/ttl";
/// Least and greatest number of nodes, and seconds. They overlap, so that a node more or less does not write to all.
const STEPS: &[(usize, usize, &str)] =
    &[(0, 100, "0"), (90, 500, "15"), (450, 1000, "30"), (900, 2000, "60"), (1800, usize::MAX, "300")];

/// The controller of the nodes' TTL annotation.
pub struct NodeTtlController;

/// What a node of so many is told, which was told `current` before.
fn seconds(nodes: usize, current: Option<&str>) -> &'static str {
    let fits = |step: &&(usize, usize, &'static str)| (step.0..=step.1).contains(&nodes);
    let kept = STEPS.iter().find(|step| fits(step) && Some(step.2) == current);
    kept.or_else(|| STEPS.iter().find(fits)).map_or("0", |step| step.2)
}

impl Controller for NodeTtlController {
    fn name(&self) -> &'static str {
        "ttl"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::NODES]
    }
    fn keys(&self, _view: &View, _resource: &str, event: &Event) -> Vec<Key> {
        vec![event.object.key.clone()]
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.nodes.all().map(|node| node.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(node) = view.nodes.get(key).filter(|node| !node.deleting()) else { return Plan::default() };
        let current = node.meta().annotations.as_ref().and_then(|all| all.get(ANNOTATION)).map(String::as_str);
        let wanted = seconds(view.nodes.len(), current);
        if current == Some(wanted) {
            return Plan::default();
        }
        let mut write =
            write::patch(resource::NODES, "", node, json!({"metadata": {"annotations": {ANNOTATION: wanted}}}));
        // Heartbeats move the revision all the time; the annotation is this controller's alone.
        write.any_revision();
        Plan { writes: vec![write], ..Plan::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_nodes_ask_less_often() {
        for (nodes, current, expected) in [
            (1, None, "0"),
            (100, Some("0"), "0"),
            (101, Some("0"), "15"),
            (95, Some("15"), "15"),
            (89, Some("15"), "0"),
            (95, None, "0"),
            (700, Some("300"), "30"),
            (5000, None, "300"),
        ] {
            assert_eq!(seconds(nodes, current), expected, "{nodes} {current:?}");
        }
    }
}
