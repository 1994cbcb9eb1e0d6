//! Whether a pod's node selector and required node affinity name a node.

use k8s_openapi::api::core::v1::{Node, PodSpec};
use podium_machinery::selectors::node::term_matches;
use std::collections::BTreeMap;

/// Both the selector and the affinity.
pub(super) fn selects(spec: &PodSpec, node: &Node, name: &str) -> bool {
    let none = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&none);
    let wanted = spec.node_selector.iter().flatten();
    let affinity = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && required.is_none_or(|r| r.node_selector_terms.iter().any(|term| term_matches(term, labels, name)))
}
