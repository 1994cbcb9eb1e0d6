//! What a pod uses, and what it must say where its quota looks at it.

use super::one;
use k8s_openapi::{
    api::core::v1::{Container, Pod, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as Amount,
};
use podium_types::Quantity;
use std::collections::{BTreeMap, BTreeSet};

/// Amounts that every container must name where a quota limits them (a rule of Kubernetes' first quotas).
const MUST_BE_NAMED: &[&str] = &["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];

/// Which of the two lists is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Requests,
    Limits,
}

impl List {
    fn of(self, resources: &ResourceRequirements) -> Option<&BTreeMap<String, Amount>> {
        match self {
            Self::Requests => resources.requests.as_ref(),
            Self::Limits => resources.limits.as_ref(),
        }
    }
}

/// Whether a pod has ended: then it takes up nothing but its place in the store.
fn ended(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"))
}

/// The list and the resource that a quota means by `name`.
fn meant(name: &str) -> Option<(List, &str)> {
    match name.split_once('.') {
        _ if name == "requests.storage" || name.contains(".storageclass.") => None,
        Some(("limits", resource)) => Some((List::Limits, resource)),
        Some(("requests", resource)) => Some((List::Requests, resource)),
        _ if matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-") => {
            Some((List::Requests, name))
        }
        _ => None,
    }
}

pub(super) fn amount(pod: &Pod, name: &str) -> Option<Quantity> {
    match name {
        "count/pods" => return Some(one(1)),
        "pods" => return Some(one(usize::from(!ended(pod)))),
        _ => {}
    }
    let (list, resource) = meant(name)?;
    let spec = pod.spec.as_ref().filter(|_| !ended(pod));
    Some(spec.map_or_else(|| one(0), |spec| of_spec(spec, resource, list)))
}

fn read(amount: &Amount) -> Quantity {
    Quantity::parse(&amount.0).unwrap_or_default()
}

/// Init containers count by their peak, those that restart for good (KEP-753); what the pod as a
/// whole asks for stands above its containers (KEP-2837).
fn of_spec(spec: &PodSpec, name: &str, list: List) -> Quantity {
    let of = |container: &Container| container.resources.as_ref().and_then(|r| list.of(r))?.get(name).map(read);
    let of = |container: &Container| of(container).unwrap_or_else(|| one(0));
    let (mut sidecars, mut peak) = (one(0), one(0));
    for container in spec.init_containers.iter().flatten() {
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars + of(container);
            peak = peak.max(sidecars);
        } else {
            peak = peak.max(sidecars + of(container));
        }
    }
    let sum = spec.containers.iter().fold(one(0), |sum, container| sum + of(container));
    let whole = spec.resources.as_ref().and_then(|r| list.of(r)).and_then(|amounts| amounts.get(name)).map(read);
    let total = whole.unwrap_or_else(|| (sum + sidecars).max(peak));
    let overhead = spec.overhead.as_ref().and_then(|overhead| overhead.get(name)).map(read);
    // Where nothing is limited, the overhead is not a limit either.
    let limited = |_: &Quantity| list == List::Requests || !total.is_zero();
    overhead.filter(limited).map_or(total, |overhead| total + overhead)
}

/// What the containers must name of `names` and do not, in Kubernetes' words.
pub(super) fn missing<'a>(pod: &Pod, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let names: BTreeSet<&str> = names.filter(|name| MUST_BE_NAMED.contains(name)).collect();
    let mut parts = Vec::new();
    for name in names {
        let Some((list, resource)) = meant(name) else { continue };
        let says = |of: Option<&ResourceRequirements>| {
            of.and_then(|r| list.of(r)).is_some_and(|list| list.contains_key(resource))
        };
        if says(spec.resources.as_ref()) {
            continue;
        }
        let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let silent: BTreeSet<&str> = all.filter(|c| !says(c.resources.as_ref())).map(|c| c.name.as_str()).collect();
        if !silent.is_empty() {
            parts.push(format!("{name} for: {}", silent.into_iter().collect::<Vec<_>>().join(",")));
        }
    }
    (!parts.is_empty()).then(|| format!("must specify {}", parts.join("; ")))
}
