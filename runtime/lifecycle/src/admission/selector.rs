//! Whether a pod's node selector and required node affinity name a node.

use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec};
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

/// Whether a term selects a node; a term without any requirement selects none.
pub fn term_matches(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>, name: &str) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let field = |key: &str| (key == "metadata.name").then_some(name);
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|r| requirement_matches(r, labels.get(&r.key).map(String::as_str)))
        && fields.iter().all(|r| requirement_matches(r, field(&r.key)))
}

fn requirement_matches(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let among = |value: &str| values.iter().any(|candidate| candidate == value);
    let compared = |value: &str| Some((value.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match (requirement.operator.as_str(), value) {
        ("In", Some(value)) => among(value),
        ("NotIn", Some(value)) => !among(value),
        ("NotIn" | "DoesNotExist", None) | ("Exists", Some(_)) => true,
        ("Gt", Some(value)) => compared(value).is_some_and(|(own, bound)| own > bound),
        ("Lt", Some(value)) => compared(value).is_some_and(|(own, bound)| own < bound),
        _ => false,
    }
}
