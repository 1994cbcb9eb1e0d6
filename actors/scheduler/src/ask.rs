//! What a pod asks of a node; equal asks have equal answers.

use crate::{
    claims::Claims,
    profile::Profile,
    selector::{Labels, Neighbours},
    spread::Spread,
};
use k8s_openapi::api::core::v1::{NodeSelectorTerm, Pod, PreferredSchedulingTerm, Toleration};
use podium_controllers::{
    Resources, View,
    view::{HostPort, Item, pod_ports, weight},
};

/// Everything about a pod that decides where it may go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// Its namespace.
    pub namespace: String,
    /// Its labels.
    pub labels: Labels,
    /// `spec.priority`.
    pub priority: i32,
    /// Which profile places it, as an index.
    pub profile: usize,
    /// Requests, `pods` is 1.
    pub requests: Resources,
    /// Millicores and bytes for scores.
    pub weight: (i64, i64),
    /// Host ports.
    pub ports: Vec<HostPort>,
    /// `spec.nodeSelector`.
    pub selector: Labels,
    /// Required node affinity: one of these terms must select the node, where there are any.
    pub required: Option<Vec<NodeSelectorTerm>>,
    /// Preferred node affinity.
    pub preferred: Vec<PreferredSchedulingTerm>,
    /// `spec.tolerations`.
    pub tolerations: Vec<Toleration>,
    /// Images of all containers.
    pub images: Vec<String>,
    /// What it says about pods near it.
    pub neighbours: Neighbours,
    /// How it wants to lie between its like.
    pub spread: Spread,
    /// Its volumes.
    pub claims: Claims,
    /// `spec.preemptionPolicy` is `Never`.
    pub peaceful: bool,
}

impl Ask {
    /// What a pod asks for; `profile` is the one at `at`.
    pub fn of(pod: &Item<Pod>, view: &View, profile: &Profile, at: usize) -> Self {
        let Some(spec) = &pod.spec else { return Self::default() };
        let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        let preferred = affinity.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.clone());
        let requests = Resources::of_pod(pod);
        let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
        Self {
            namespace: pod.key().namespace.clone(),
            labels: pod.object.labels.clone(),
            priority: priority(pod),
            profile: at,
            weight: weight(pod, &requests),
            requests,
            ports: pod_ports(pod),
            selector: spec.node_selector.clone().unwrap_or_default(),
            required: required.map(|required| required.node_selector_terms.clone()),
            preferred: preferred.unwrap_or_default(),
            tolerations: spec.tolerations.clone().unwrap_or_default(),
            images: containers.filter_map(|container| container.image.clone()).collect(),
            neighbours: Neighbours::of(pod, view),
            spread: Spread::of(pod, view, profile),
            claims: Claims::of(pod, view),
            peaceful: spec.preemption_policy.as_deref() == Some("Never"),
        }
    }
}

/// `spec.priority`, or 0.
pub fn priority(pod: &Pod) -> i32 {
    pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0)
}

/// `status.nominatedNodeName`: where room is being made for the pod.
pub fn nominated(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.nominated_node_name.as_deref().filter(|name| !name.is_empty())
}
