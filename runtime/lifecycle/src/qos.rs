//! Quality of service: who is killed first when memory runs short.

use crate::resources::amount;
use k8s_openapi::api::core::v1::{Container, Pod};

/// Score of those that the node cannot do without.
const PROTECTED: i32 = -997;
/// Score of those that go first.
const BEST_EFFORT: i32 = 1000;
/// Priority of system-node-critical.
const NODE_CRITICAL_PRIORITY: i32 = 2_000_001_000;

/// `pod.status.qosClass`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QosClass {
    /// Every container has limits, and requests equal to them.
    Guaranteed,
    /// Some container asks for something.
    Burstable,
    /// Nothing is asked for.
    BestEffort,
}

impl QosClass {
    /// As in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }

    /// As in cgroup paths; Guaranteed pods have no level of their own.
    pub fn cgroup(self) -> Option<&'static str> {
        match self {
            Self::Guaranteed => None,
            Self::Burstable => Some("burstable"),
            Self::BestEffort => Some("besteffort"),
        }
    }
}

/// The class of a pod.
pub fn class(pod: &Pod) -> QosClass {
    let Some(spec) = &pod.spec else { return QosClass::BestEffort };
    let all: Vec<_> = match &spec.resources {
        Some(resources) => vec![Some(resources)],
        None => {
            spec.containers.iter().chain(spec.init_containers.iter().flatten()).map(|c| c.resources.as_ref()).collect()
        }
    };
    let (mut any, mut guaranteed) = (false, true);
    for resources in all {
        for name in ["cpu", "memory"] {
            let limit = amount(resources.and_then(|r| r.limits.as_ref()), name).filter(|q| !q.is_zero());
            let request = amount(resources.and_then(|r| r.requests.as_ref()), name).filter(|q| !q.is_zero());
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|r| Some(r) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => QosClass::BestEffort,
        (true, true) => QosClass::Guaranteed,
        (true, false) => QosClass::Burstable,
    }
}

/// `oom_score_adj` of a container (the kubelet's qos.GetContainerOOMScoreAdjust).
pub fn oom_score_adj(pod: &Pod, container: &Container, node_memory_bytes: i64) -> i32 {
    let Some(spec) = &pod.spec else { return BEST_EFFORT };
    if spec.priority.is_some_and(|priority| priority >= NODE_CRITICAL_PRIORITY) {
        return PROTECTED;
    }
    let own = own_score(pod, container, node_memory_bytes);
    let sidecar = container.restart_policy.as_deref() == Some("Always")
        && spec.init_containers.iter().flatten().any(|c| c.name == container.name);
    if !sidecar {
        return own;
    }
    // A sidecar must not go before those that it serves (KEP-753).
    let mains = spec.containers.iter().map(|main| own_score(pod, main, node_memory_bytes));
    mains.chain([own]).min().unwrap_or(own)
}

fn own_score(pod: &Pod, container: &Container, node_memory_bytes: i64) -> i32 {
    match class(pod) {
        QosClass::Guaranteed => PROTECTED,
        QosClass::BestEffort => BEST_EFFORT,
        QosClass::Burstable => {
            let requests = container.resources.as_ref().and_then(|r| r.requests.as_ref().or(r.limits.as_ref()));
            let request = amount(requests, "memory").map_or(0, |q| q.value());
            let share = i128::from(request) * 1000 / i128::from(node_memory_bytes.max(1));
            // Between the classes: above Guaranteed, below BestEffort.
            i32::try_from(1000 - share).unwrap_or(3).clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes_and_scores() {
        let limits = json!({ "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "1", "memory": "1Gi" } });
        for (resources, class_expected, score) in [
            (json!({}), QosClass::BestEffort, 1000),
            (json!({ "requests": { "cpu": "0" } }), QosClass::BestEffort, 1000),
            (limits, QosClass::Guaranteed, -997),
            (json!({ "limits": { "cpu": "1", "memory": "1Gi" } }), QosClass::Guaranteed, -997),
            (json!({ "requests": { "memory": "1Gi" } }), QosClass::Burstable, 750),
            (json!({ "requests": { "memory": "4Gi" } }), QosClass::Burstable, 3),
            (json!({ "requests": { "cpu": "1" } }), QosClass::Burstable, 999),
        ] {
            let pod: Pod = serde_json::from_value(
                json!({ "spec": { "containers": [{ "name": "a", "resources": resources.clone() }] } }),
            )
            .expect("a pod");
            let container = &pod.spec.as_ref().expect("a spec").containers[0];
            assert_eq!(class(&pod), class_expected, "{resources}");
            assert_eq!(oom_score_adj(&pod, container, 4 << 30), score, "{resources}");
        }
    }
    #[test]
    fn the_nodes_own_pods_and_sidecars_are_spared() {
        let request = |memory: &str| json!({ "requests": { "memory": memory } });
        let mut pod: Pod = serde_json::from_value(json!({ "spec": {
            "initContainers": [
                { "name": "side", "restartPolicy": "Always", "resources": request("1Mi") },
                { "name": "init", "resources": request("1Mi") },
            ],
            "containers": [{ "name": "main", "resources": request("1Gi") }],
        } }))
        .expect("a pod");
        let score = |pod: &Pod| {
            let spec = pod.spec.as_ref().expect("a spec");
            let all = spec.init_containers.iter().flatten().chain(&spec.containers);
            all.map(|container| oom_score_adj(pod, container, 4 << 30)).collect::<Vec<_>>()
        };
        assert_eq!(score(&pod), [750, 999, 750]);
        pod.spec.as_mut().expect("a spec").priority = Some(NODE_CRITICAL_PRIORITY);
        assert_eq!(score(&pod), [-997; 3]);
    }
}
