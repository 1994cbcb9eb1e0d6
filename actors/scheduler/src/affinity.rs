//! Whether a node is one that a pod's node selector and affinity name.

use crate::board::Place;
use k8s_openapi::api::core::v1::NodeSelectorTerm;
pub use podium_machinery::selectors::node::term_matches;

/// Whether one of the terms selects a node, where there are any terms.
pub fn required(terms: Option<&[NodeSelectorTerm]>, place: &Place<'_>) -> bool {
    let labels = &place.node.object.labels;
    terms.is_none_or(|terms| terms.iter().any(|term| term_matches(term, labels, place.name())))
}
