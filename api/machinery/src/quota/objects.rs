//! What objects other than pods use.

use super::one;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service};
use podium_types::Quantity;

/// What stands between a storage class and what is limited of it.
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";

/// Whether `name` counts the objects with that storage name.
pub(super) fn counts(resource: &str, name: &str) -> bool {
    name.strip_prefix("count/").unwrap_or(name) == resource
}

/// What a Service uses.
pub(super) fn of_service(service: &Service, name: &str) -> Option<Quantity> {
    let spec = service.spec.as_ref();
    let is = |wanted: &str| spec.and_then(|s| s.type_.as_deref()) == Some(wanted);
    match name {
        "services.loadbalancers" => Some(one(usize::from(is("LoadBalancer")))),
        "services.nodeports" => {
            let allocates = spec.and_then(|s| s.allocate_load_balancer_node_ports) != Some(false);
            let ports = spec.map_or(0, |s| s.ports.iter().flatten().count());
            Some(one(if is("NodePort") || is("LoadBalancer") && allocates { ports } else { 0 }))
        }
        _ => counts("services", name).then(|| one(1)),
    }
}

/// What a claim uses.
pub(super) fn of_claim(claim: &PersistentVolumeClaim, name: &str) -> Option<Quantity> {
    let (class, what) = match name.split_once(OF_CLASS) {
        Some((class, what)) => (Some(class), what),
        None => (None, name),
    };
    let spec = claim.spec.as_ref();
    let own = spec.and_then(|s| s.storage_class_name.as_deref());
    let counted = class.is_none() || class == own;
    match what {
        "requests.storage" => {
            let requests = spec.and_then(|s| s.resources.as_ref()?.requests.as_ref());
            let asked = requests.and_then(|requests| Quantity::parse(&requests.get("storage")?.0).ok());
            Some(asked.filter(|_| counted).unwrap_or_else(|| one(0)))
        }
        _ if class.is_some() => (what == "persistentvolumeclaims").then(|| one(usize::from(counted))),
        _ => counts("persistentvolumeclaims", name).then(|| one(1)),
    }
}
