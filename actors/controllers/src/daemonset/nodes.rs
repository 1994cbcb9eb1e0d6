//! Which nodes a DaemonSet's pods belong on.

use crate::{View, pods, selector, view::Item};
use k8s_openapi::api::{
    apps::v1::DaemonSetSpec,
    core::v1::{Node, Pod, PodSpec, Taint, Toleration},
};
use podium_machinery::selectors::taints::tolerates;
use podium_machinery::{selectors::node, state::Event};
use std::collections::BTreeMap;

/// What a node is to a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suit {
    /// A pod belongs there.
    pub run: bool,
    /// A pod that is there may stay.
    pub stay: bool,
}

/// Taints that pods of DaemonSets live with, and the effect that they tolerate.
const BORNE: &[(&str, &str)] = &[
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// And where they use the host's network.
const BORNE_ON_HOST_NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// The tolerations that every pod of a DaemonSet is given.
pub fn tolerations(spec: &PodSpec) -> Vec<Toleration> {
    let host = (spec.host_network == Some(true)).then_some(&BORNE_ON_HOST_NETWORK);
    let toleration = |(key, effect): &(&str, &str)| Toleration {
        key: Some((*key).to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some((*effect).to_owned()),
        ..Toleration::default()
    };
    BORNE.iter().chain(host).map(toleration).collect()
}

/// The node that a pod is on, or that it alone may go to.
pub fn of_pod(pod: &Pod) -> Option<&str> {
    pods::node(pod).or_else(|| {
        let affinity = pod.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
        let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
        let fields = required.node_selector_terms.iter().flat_map(|term| term.match_fields.iter().flatten());
        let mut named = fields.filter(|field| field.key == "metadata.name" && field.operator == "In");
        named.find_map(|field| field.values.as_ref()?.first()).map(String::as_str)
    })
}

/// What a node is to a template, whose tolerations are `tolerations` and those of every DaemonSet.
pub fn suit(spec: &PodSpec, tolerations: &[Toleration], node: &Item<Node>) -> Suit {
    let name = &node.key().name;
    let labels = &node.object.labels;
    let named = spec.node_name.as_ref().filter(|name| !name.is_empty()).is_none_or(|wanted| wanted == name);
    let selected = spec.node_selector.as_ref().is_none_or(|pairs| selector::contains(pairs, labels));
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    let near = required.is_none_or(|r| r.node_selector_terms.iter().any(|t| node::term_matches(t, labels, name)));
    if !named || !selected || !near {
        return Suit::default();
    }
    let untolerated = |effect: &str| {
        let borne = |taint: &Taint| tolerations.iter().any(|toleration| tolerates(toleration, taint));
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
        taints.into_iter().flatten().any(|taint| taint.effect == effect && !borne(taint))
    };
    let stay = !untolerated("NoExecute");
    Suit { run: stay && !untolerated("NoSchedule"), stay }
}

/// Whether an event about a node can change where pods belong: heartbeats cannot.
pub fn changed(view: &View, event: &Event) -> bool {
    let Some(now) = view.nodes.get(&event.object.key) else { return true };
    let Some(before) = event.previous.as_ref().and_then(Item::<Node>::parse) else { return true };
    let taints = |node: &Item<Node>| node.spec.as_ref().and_then(|spec| spec.taints.clone());
    before.object.labels != now.object.labels || taints(&before) != taints(now)
}

/// What every node is to the template.
pub fn suits<'a>(view: &'a View, spec: &DaemonSetSpec) -> BTreeMap<&'a str, Suit> {
    let Some(spec) = &spec.template.spec else { return BTreeMap::new() };
    let mut all = tolerations(spec);
    all.extend(spec.tolerations.iter().flatten().cloned());
    view.nodes.all().map(|node| (node.key().name.as_str(), suit(spec, &all, node))).collect()
}
