//! What a pod asks of a node; equal asks have equal answers.

use k8s_openapi::api::core::v1::{NodeSelectorTerm, Pod, PreferredSchedulingTerm, Toleration};
use podium_controllers::{
    Resources,
    view::{HostPort, pod_ports, weight},
};
use std::collections::BTreeMap;

/// Everything about a pod that decides where it may go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// Requests, `pods` is 1.
    pub requests: Resources,
    /// Millicores and bytes for scores.
    pub weight: (i64, i64),
    /// Host ports.
    pub ports: Vec<HostPort>,
    /// `spec.nodeSelector`.
    pub selector: BTreeMap<String, String>,
    /// Required node affinity: one of these terms must select the node, where there are any.
    pub required: Option<Vec<NodeSelectorTerm>>,
    /// Preferred node affinity.
    pub preferred: Vec<PreferredSchedulingTerm>,
    /// `spec.tolerations`.
    pub tolerations: Vec<Toleration>,
}

impl Ask {
    /// What a pod asks for.
    pub fn of(pod: &Pod) -> Self {
        let Some(spec) = &pod.spec else { return Self::default() };
        let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        let preferred = affinity.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.clone());
        let requests = Resources::of_pod(pod);
        Self {
            weight: weight(pod, &requests),
            requests,
            ports: pod_ports(pod),
            selector: spec.node_selector.clone().unwrap_or_default(),
            required: required.map(|required| required.node_selector_terms.clone()),
            preferred: preferred.unwrap_or_default(),
            tolerations: spec.tolerations.clone().unwrap_or_default(),
        }
    }
}
