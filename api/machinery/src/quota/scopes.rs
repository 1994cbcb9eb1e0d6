//! The scopes of a quota: which pods and claims it looks at.

use super::Subject;
use k8s_openapi::{
    api::core::v1::{
        Affinity, PersistentVolumeClaim, Pod, PodAffinityTerm, PodSpec, ResourceQuotaSpec, ResourceRequirements,
        ScopedResourceSelectorRequirement as Requirement,
    },
    apimachinery::pkg::api::resource::Quantity as Amount,
};
use podium_types::Quantity;
use std::collections::BTreeMap;

pub(super) fn all(subject: Subject<'_>, quota: &ResourceQuotaSpec) -> bool {
    let named = quota.scopes.iter().flatten().map(|scope| (scope.as_str(), "Exists", [].as_slice()));
    let selector = quota.scope_selector.iter().flat_map(|selector| selector.match_expressions.iter().flatten());
    let selected = selector
        .map(|r: &Requirement| (r.scope_name.as_str(), r.operator.as_str(), r.values.as_deref().unwrap_or_default()));
    named.chain(selected).all(|(scope, operator, values)| match subject {
        Subject::Pod(pod) => of_pod(pod, scope, operator, values),
        Subject::Claim(claim) => of_claim(claim, scope, operator, values),
        // Nothing else has scopes.
        Subject::Service(_) | Subject::Other(_) => false,
    })
}

fn of_pod(pod: &Pod, scope: &str, operator: &str, values: &[String]) -> bool {
    let spec = pod.spec.as_ref();
    let terminating = spec.and_then(|spec| spec.active_deadline_seconds).is_some_and(|seconds| seconds >= 0);
    match scope {
        "Terminating" => terminating,
        "NotTerminating" => !terminating,
        "BestEffort" => spec.is_none_or(best_effort),
        "NotBestEffort" => !spec.is_none_or(best_effort),
        "PriorityClass" => selects(spec.and_then(|spec| spec.priority_class_name.as_deref()), operator, values),
        "CrossNamespacePodAffinity" => spec.and_then(|spec| spec.affinity.as_ref()).is_some_and(crosses),
        _ => false,
    }
}

fn of_claim(claim: &PersistentVolumeClaim, scope: &str, operator: &str, values: &[String]) -> bool {
    let class = claim.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_deref());
    scope == "VolumeAttributesClass" && selects(class, operator, values)
}

fn selects(class: Option<&str>, operator: &str, values: &[String]) -> bool {
    let class = class.filter(|class| !class.is_empty());
    let among = class.is_some_and(|class| values.iter().any(|value| value == class));
    match operator {
        "In" => among,
        "NotIn" => !among,
        "Exists" => class.is_some(),
        "DoesNotExist" => class.is_none(),
        _ => false,
    }
}

/// Whether neither the pod nor a container asks for CPU or memory.
fn best_effort(spec: &PodSpec) -> bool {
    let lists = |of: &ResourceRequirements| -> Vec<BTreeMap<String, Amount>> {
        [&of.requests, &of.limits].into_iter().flatten().cloned().collect()
    };
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let of_containers = all.filter_map(|c| c.resources.as_ref());
    let mut asked = of_containers.chain(&spec.resources).flat_map(lists);
    !asked.any(|list| {
        let positive = |amount: &Amount| Quantity::parse(&amount.0).is_ok_and(|q| !q.is_zero() && !q.is_negative());
        ["cpu", "memory"].iter().any(|name| list.get(*name).is_some_and(positive))
    })
}

/// Whether the pod's place depends on pods of other namespaces.
fn crosses(affinity: &Affinity) -> bool {
    let elsewhere =
        |term: &PodAffinityTerm| term.namespace_selector.is_some() || term.namespaces.iter().flatten().next().is_some();
    let near = affinity.pod_affinity.iter().flat_map(|a| {
        let wished = a.preferred_during_scheduling_ignored_during_execution.iter().flatten();
        let needed = a.required_during_scheduling_ignored_during_execution.iter().flatten();
        needed.chain(wished.map(|w| &w.pod_affinity_term))
    });
    let far = affinity.pod_anti_affinity.iter().flat_map(|a| {
        let wished = a.preferred_during_scheduling_ignored_during_execution.iter().flatten();
        let needed = a.required_during_scheduling_ignored_during_execution.iter().flatten();
        needed.chain(wished.map(|w| &w.pod_affinity_term))
    });
    near.chain(far).any(elsewhere)
}
