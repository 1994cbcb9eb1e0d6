//! Labels that a node may give itself: those that agents know, and none of the cluster's others.

use serde_json::Value;
use std::collections::BTreeSet;

/// Where labels live that only administrators give to nodes.
const ADMINISTRATORS: &str = "node-restriction.kubernetes.io";
/// Where Kubernetes' own labels live.
const OWN: &[&str] = &["kubernetes.io", "k8s.io"];
/// Where those of them live that agents may choose.
const AGENTS: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];
/// Single labels that agents set.
const KNOWN: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Labels of a node that it may not change as it does.
pub(super) fn forbidden(new: &Value, old: &Value) -> Vec<String> {
    let labels = |node: &Value| node["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    let (new, old) = (labels(new), labels(old));
    let all: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
    let changed = all.into_iter().filter(|name| new.get(*name) != old.get(*name));
    changed.filter(|name| !free(name)).cloned().collect()
}

/// Whether an agent may set a label.
fn free(label: &str) -> bool {
    let Some((domain, _)) = label.split_once('/') else { return true };
    let within = |of: &str| domain == of || domain.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'));
    if within(ADMINISTRATORS) {
        return false;
    }
    !OWN.iter().any(|of| within(of)) || KNOWN.contains(&label) || AGENTS.iter().any(|of| within(of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn agents_set_what_they_know() {
        for (label, expected) in [
            ("x", true),
            ("example.com/x", true),
            ("mykubernetes.io/x", true),
            ("kubernetes.io/hostname", true),
            ("topology.kubernetes.io/zone", true),
            ("node.kubernetes.io/anything", true),
            ("a.kubelet.kubernetes.io/x", true),
            ("kubernetes.io/x", false),
            ("node-role.kubernetes.io/control-plane", false),
            ("a.k8s.io/x", false),
            ("node-restriction.kubernetes.io/x", false),
            ("a.node-restriction.kubernetes.io/x", false),
        ] {
            assert_eq!(free(label), expected, "{label}");
        }
    }

    #[test]
    fn only_changes_count() {
        let node = |labels: Value| json!({"metadata": {"labels": labels}});
        let role = "node-role.kubernetes.io/worker";
        for (new, old, expected) in [
            (json!({role: ""}), json!({role: ""}), vec![]),
            (json!({role: "", "x": "y"}), json!({role: ""}), vec![]),
            (json!({}), json!({role: ""}), vec![role]),
            (json!({role: "a", "k8s.io/b": "c"}), json!(null), vec!["k8s.io/b", role]),
        ] {
            assert_eq!(forbidden(&node(new), &node(old)), expected);
        }
    }
}
