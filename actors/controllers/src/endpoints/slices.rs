//! EndpointSlices: the pods behind a Service in portions that watchers can afford.
//!
//! Endpoints stay in the slice they are in, so that a change of one pod rewrites one slice.
//! Made for Services with a selector only; IPv4 only.

use super::{
    address::{self, Backend, Port},
    hints,
    ports::{self, MANAGED_LABEL, SERVICE_LABEL},
};
use crate::{Controller, Ids, Plan, View, owners, resource, view::Item, write};
use k8s_openapi::api::{
    core::v1::{Service, ServiceSpec},
    discovery::v1::EndpointSlice,
};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Endpoints per slice, as Kubernetes has it by default (KEP-752).
pub const SLICE_LIMIT: usize = 100;
const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS_LABEL: &str = "service.kubernetes.io/headless";

/// The controller of EndpointSlices; its keys are Services.
pub struct EndpointSliceController;

impl Controller for EndpointSliceController {
    fn name(&self) -> &'static str {
        "endpointslice"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::SERVICES, resource::PODS, resource::ENDPOINT_SLICES]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        match resource {
            resource::SERVICES => vec![event.object.key.clone()],
            resource::PODS => address::services_of(view, event),
            resource::ENDPOINT_SLICES => {
                let service = event.object.labels.get(SERVICE_LABEL);
                service.map(|name| Key::new(event.object.key.namespace.as_str(), name.as_str())).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.services.all().map(|service| service.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, ids: &mut Ids) -> Plan {
        let slices = ports::managed(view, key, MANAGER);
        let mut plan = Plan::default();
        let service = view.services.get(key).filter(|service| !service.deleting());
        let Some((service, spec)) = service.and_then(|s| Some((s, address::selecting(s)?))) else {
            // Slices of a Service that is gone go with it; those of one that lost its selector stay,
            // as in Kubernetes.
            if service.is_none() {
                plan.writes = slices.iter().map(|s| write::delete(resource::ENDPOINT_SLICES, s)).collect();
            }
            return plan;
        };
        let wanted = group(view, address::backends(view, service, spec), service);
        settle(service, spec, slices, wanted, ids, &mut plan);
        plan
    }
}

/// Endpoints by the uid of their pod, for each set of ports.
type Groups = BTreeMap<Vec<Port>, BTreeMap<String, Value>>;

fn group(view: &View, backends: Vec<Backend<'_>>, service: &Item<Service>) -> Groups {
    let mut groups = Groups::new();
    for mut backend in backends {
        let endpoint = endpoint(view, &backend, service);
        backend.ports.sort();
        groups.entry(backend.ports).or_default().insert(backend.pod.uid().to_owned(), endpoint);
    }
    // A Service without endpoints still has one, empty slice.
    if groups.is_empty() {
        groups.insert(Vec::new(), BTreeMap::new());
    }
    groups
}

fn endpoint(view: &View, backend: &Backend<'_>, service: &Item<Service>) -> Value {
    let pod = backend.pod;
    let mut endpoint = json!({"addresses": [backend.ip],
        "conditions": {"ready": backend.ready, "serving": backend.serving, "terminating": pod.deleting()},
        "targetRef": {"kind": "Pod", "namespace": pod.key().namespace, "name": pod.key().name, "uid": pod.uid()}});
    if let Some(node) = crate::pods::node(pod) {
        endpoint["nodeName"] = json!(node);
        let labels = view.nodes.get(&Key::new("", node)).map(|node| &node.object.labels);
        if let Some(zone) = labels.and_then(|labels| labels.get("topology.kubernetes.io/zone")) {
            endpoint["zone"] = json!(zone);
        }
    }
    if let Some(name) = address::hostname(pod, &service.key().name) {
        endpoint["hostname"] = json!(name);
    }
    hints::give(&mut endpoint, service.spec.as_ref().and_then(|spec| spec.traffic_distribution.as_deref()));
    endpoint
}

/// Keeps endpoints where they are, fills slices that have room, makes new ones, drops
/// those that are left over.
fn settle(
    service: &Item<Service>,
    spec: &ServiceSpec,
    slices: Vec<&Arc<Item<EndpointSlice>>>,
    wanted: Groups,
    ids: &mut Ids,
    plan: &mut Plan,
) {
    let labels = labels(service, spec);
    let mut unused: Vec<_> = slices;
    for (ports, mut missing) in wanted {
        let ports_value = ports::value(&ports);
        let (same, other): (Vec<_>, Vec<_>) = unused.into_iter().partition(|slice| ports::of_slice(slice) == ports);
        unused = other;
        // Kept endpoints, in their slices' own order.
        let mut kept: Vec<(&Arc<Item<EndpointSlice>>, Vec<Value>)> = Vec::new();
        for slice in same {
            let uids = slice.endpoints.iter().flatten().filter_map(|e| e.target_ref.as_ref()?.uid.as_deref());
            kept.push((slice, uids.filter_map(|uid| missing.remove(uid)).collect()));
        }
        let mut rest = missing.into_values();
        for (_, list) in &mut kept {
            let room = SLICE_LIMIT.saturating_sub(list.len());
            list.extend(rest.by_ref().take(room));
        }
        let rest: Vec<Value> = rest.collect();
        for list in rest.chunks(SLICE_LIMIT) {
            plan.writes.push(create(service, &labels, &ports_value, list, ids));
        }
        // One slice may stay empty, where no other has endpoints.
        let mut needed = usize::from(rest.is_empty() && kept.iter().all(|(_, list)| list.is_empty()));
        if needed == 1 && kept.is_empty() {
            plan.writes.push(create(service, &labels, &ports_value, &[], ids));
        }
        for (slice, list) in kept {
            if list.is_empty() && needed == 0 {
                unused.push(slice);
                continue;
            }
            needed = if list.is_empty() { 0 } else { needed };
            plan.writes.extend(update(slice, &labels, list));
        }
    }
    plan.writes.extend(unused.into_iter().map(|slice| write::delete(resource::ENDPOINT_SLICES, slice)));
}

fn labels(service: &Item<Service>, spec: &ServiceSpec) -> Value {
    let own = service.object.labels.iter().filter(|(name, _)| *name != HEADLESS_LABEL);
    let mut labels: Map<String, Value> = own.map(|(name, value)| (name.clone(), json!(value))).collect();
    labels.insert(SERVICE_LABEL.to_owned(), json!(service.key().name));
    labels.insert(MANAGED_LABEL.to_owned(), json!(MANAGER));
    if spec.cluster_ip.as_deref() == Some("None") {
        labels.insert(HEADLESS_LABEL.to_owned(), json!(""));
    }
    labels.into()
}

fn create(
    service: &Item<Service>,
    labels: &Value,
    ports: &Value,
    endpoints: &[Value],
    ids: &mut Ids,
) -> crate::PlannedWrite {
    let prefix = format!("{}-", service.key().name);
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": write::generated(&prefix, &ids.suffix()), "generateName": prefix,
            "namespace": service.key().namespace, "labels": labels,
            "ownerReferences": [owners::reference(service)]},
        "endpoints": endpoints, "ports": ports});
    write::create(resource::ENDPOINT_SLICES, slice)
}

/// The patch that gives a slice these endpoints; `None` where it has them.
fn update(slice: &Item<EndpointSlice>, labels: &Value, endpoints: Vec<Value>) -> Option<crate::PlannedWrite> {
    let current = serde_json::to_value(&slice.endpoints).unwrap_or_default();
    let current = if current.is_null() { json!([]) } else { current };
    let mut patch = json!({});
    let endpoints = Value::Array(endpoints);
    if current != endpoints {
        patch["endpoints"] = endpoints;
    }
    let own: Map<String, Value> = slice.object.labels.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    if let Some(change) = write::difference(&own.into(), labels) {
        patch["metadata"]["labels"] = change;
    }
    let changes = patch.as_object().is_some_and(|map| !map.is_empty());
    changes.then(|| write::patch(resource::ENDPOINT_SLICES, "", slice, patch))
}
