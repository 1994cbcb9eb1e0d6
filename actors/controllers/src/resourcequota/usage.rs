//! What the objects of a namespace use.

use crate::{View, pods, quantity, resource, view::Item};
use k8s_openapi::{
    api::core::v1::{Container, Pod, PodSpec, ResourceQuota, ResourceRequirements, ScopedResourceSelectorRequirement},
    apimachinery::pkg::api::resource::Quantity as Amount,
};
use podium_types::Quantity;
use std::collections::BTreeMap;

/// Amounts by the names that a quota uses.
type Sums = BTreeMap<String, Quantity>;

/// What of `hard` the pods of the quota's scopes use; nothing for names that are not about pods.
pub fn of_pods(view: &View, quota: &Item<ResourceQuota>, hard: &BTreeMap<String, Amount>) -> Sums {
    let mut sums: Sums = hard.keys().filter(|name| about_pods(name)).map(|name| (name.clone(), none())).collect();
    if sums.is_empty() {
        return sums;
    }
    for pod in view.pods.of(&quota.key().namespace).filter(|pod| in_scope(quota, pod)) {
        for (name, sum) in &mut sums {
            *sum = *sum + of_pod(pod, name);
        }
    }
    sums
}

fn none() -> Quantity {
    Quantity::from_milli(0)
}

fn one(count: usize) -> Quantity {
    Quantity::from_milli(i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1000))
}

fn about_pods(name: &str) -> bool {
    let storage = name == "requests.storage";
    let asked = name.starts_with("requests.") || name.starts_with("limits.");
    !storage && (asked || matches!(name, "pods" | "count/pods" | "cpu" | "memory" | "ephemeral-storage"))
}

/// What one pod uses of a name; one that has ended takes up nothing but its place in the store.
fn of_pod(pod: &Item<Pod>, name: &str) -> Quantity {
    let Some(spec) = pod.spec.as_ref().filter(|_| !pods::terminal(pod)) else {
        return if name == "count/pods" { one(1) } else { none() };
    };
    match name.split_once('.') {
        _ if matches!(name, "pods" | "count/pods") => one(1),
        Some(("limits", resource)) => of_spec(spec, resource, |r| r.limits.as_ref()),
        Some(("requests", resource)) => of_spec(spec, resource, |r| r.requests.as_ref()),
        _ => of_spec(spec, name, |r| r.requests.as_ref()),
    }
}

/// Init containers count by their peak, those that restart for good (KEP-753).
fn of_spec(
    spec: &PodSpec,
    name: &str,
    list: impl Fn(&ResourceRequirements) -> Option<&BTreeMap<String, Amount>>,
) -> Quantity {
    let read = |amount: &Amount| Quantity::parse(&amount.0).unwrap_or_default();
    let of = |container: &Container| container.resources.as_ref().and_then(&list)?.get(name).map(read);
    let of = |container: &Container| of(container).unwrap_or_else(none);
    let mut total = spec.containers.iter().fold(none(), |sum, container| sum + of(container));
    let (mut sidecars, mut peak) = (none(), none());
    for container in spec.init_containers.iter().flatten() {
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars + of(container);
            peak = peak.max(sidecars);
        } else {
            peak = peak.max(sidecars + of(container));
        }
    }
    total = (total + sidecars).max(peak);
    let overhead = spec.overhead.as_ref().and_then(|overhead| overhead.get(name)).map(read);
    overhead.map_or(total, |overhead| total + overhead)
}

/// Whether a pod is in every scope of a quota.
fn in_scope(quota: &ResourceQuota, pod: &Pod) -> bool {
    let Some(spec) = &quota.spec else { return true };
    let named = spec.scopes.iter().flatten().all(|scope| holds(scope, pod));
    let selected = spec.scope_selector.iter().flat_map(|selector| selector.match_expressions.iter().flatten());
    named && selected.into_iter().all(|requirement| selects(requirement, pod))
}

fn holds(scope: &str, pod: &Pod) -> bool {
    let terminating = pod.spec.as_ref().is_some_and(|spec| spec.active_deadline_seconds.is_some());
    let best_effort = pod.spec.as_ref().is_none_or(best_effort);
    match scope {
        "Terminating" => terminating,
        "NotTerminating" => !terminating,
        "BestEffort" => best_effort,
        "NotBestEffort" => !best_effort,
        _ => true,
    }
}

fn selects(requirement: &ScopedResourceSelectorRequirement, pod: &Pod) -> bool {
    if requirement.scope_name != "PriorityClass" {
        return holds(&requirement.scope_name, pod);
    }
    let class = pod.spec.as_ref().and_then(|spec| spec.priority_class_name.as_ref()).filter(|class| !class.is_empty());
    let among = |class: &String| requirement.values.iter().flatten().any(|value| value == class);
    match requirement.operator.as_str() {
        "In" => class.is_some_and(among),
        "NotIn" => class.is_some_and(|class| !among(class)),
        "Exists" => class.is_some(),
        "DoesNotExist" => class.is_none(),
        _ => false,
    }
}

/// Whether no container asks for anything.
fn best_effort(spec: &PodSpec) -> bool {
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let mut lists = all.filter_map(|c| c.resources.as_ref()).flat_map(|r| [&r.requests, &r.limits]).flatten();
    !lists.any(|list| {
        let asked = |name: &&str| list.get(*name).is_some_and(|amount| quantity::milli(&amount.0) > 0);
        ["cpu", "memory"].iter().any(asked)
    })
}

/// What the objects of other kinds use of a name; `None` where nothing is known by it.
pub fn of_objects(view: &View, namespace: &str, name: &str) -> Option<Quantity> {
    let services = || view.services.of(namespace).filter_map(|service| service.spec.as_ref());
    let count = |kind: &str| resource::lookup(kind).map(|kind| one(view.in_namespace(kind, namespace).count()));
    match name {
        "services.loadbalancers" => {
            Some(one(services().filter(|s| s.type_.as_deref() == Some("LoadBalancer")).count()))
        }
        "services.nodeports" => {
            let open = |s: &&k8s_openapi::api::core::v1::ServiceSpec| {
                let allocates = s.allocate_load_balancer_node_ports != Some(false);
                s.type_.as_deref() == Some("NodePort") || (s.type_.as_deref() == Some("LoadBalancer") && allocates)
            };
            Some(one(services().filter(open).map(|s| s.ports.iter().flatten().count()).sum()))
        }
        "requests.storage" => Some(storage(view, namespace, |_| true)),
        _ => match name.split_once(".storageclass.storage.k8s.io/") {
            Some((class, "requests.storage")) => Some(storage(view, namespace, |own| own == Some(class))),
            Some((class, "persistentvolumeclaims")) => {
                Some(one(view.claims.of(namespace).filter(|claim| class_of(claim) == Some(class)).count()))
            }
            _ => count(name.strip_prefix("count/").unwrap_or(name)),
        },
    }
}

fn class_of(claim: &k8s_openapi::api::core::v1::PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.storage_class_name.as_deref()
}

fn storage(view: &View, namespace: &str, of: impl Fn(Option<&str>) -> bool) -> Quantity {
    let claims = view.claims.of(namespace).filter(|claim| of(class_of(claim)));
    let asked = claims.filter_map(|claim| claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage"));
    asked.filter_map(|amount| Quantity::parse(&amount.0).ok()).fold(none(), |sum, amount| sum + amount)
}
