//! EndpointSlices of Endpoints that people keep themselves, for Services without a selector.
//!
//! A slice per family and set of ports, as long as Kubernetes makes them.

use super::{
    address::{self, Port},
    ports::{self, MANAGED_LABEL, SERVICE_LABEL},
};
use crate::{Controller, Ids, Plan, View, owners, resource, view::Item, write};
use k8s_openapi::api::{
    core::v1::{EndpointAddress, EndpointSubset, Endpoints},
    discovery::v1::EndpointSlice,
};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// Addresses of one subset that are mirrored, as Kubernetes has it (KEP-752).
pub const ADDRESS_LIMIT: usize = 1000;
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// The label by which people keep Endpoints from being mirrored.
const SKIP_LABEL: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Endpoints with this annotation are a lock, not addresses.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const HEADLESS_LABEL: &str = "service.kubernetes.io/headless";
/// Not worth repeating: it says when pods were looked at last.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The controller of mirrored EndpointSlices; its keys are Services.
pub struct EndpointSliceMirroringController;

impl Controller for EndpointSliceMirroringController {
    fn name(&self) -> &'static str {
        "endpointslicemirroring"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::SERVICES, resource::ENDPOINTS, resource::ENDPOINT_SLICES]
    }
    fn keys(&self, _view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let object = &event.object;
        if resource != resource::ENDPOINT_SLICES {
            return vec![object.key.clone()];
        }
        let ours = object.labels.get(MANAGED_LABEL).is_some_and(|manager| manager == MANAGER);
        let service = object.labels.get(SERVICE_LABEL).filter(|_| ours);
        service.map(|name| Key::new(object.key.namespace.as_str(), name.as_str())).into_iter().collect()
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.services.all().map(|service| service.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, ids: &mut Ids) -> Plan {
        let mut unused = ports::managed(view, key, MANAGER);
        let mut plan = Plan::default();
        let service = view.services.get(key).filter(|service| !service.deleting());
        let selects = service.is_some_and(|service| address::selecting(service).is_some());
        let endpoints = view.endpoints.get(key).filter(|item| service.is_some() && !selects && mirrored(item));
        for (family, ports, list) in endpoints.into_iter().flat_map(|item| groups(item)) {
            let Some(item) = endpoints else { break };
            let same = |slice: &&Arc<Item<EndpointSlice>>| is(slice, family, &ports);
            let slice = unused.iter().position(same).map(|at| unused.remove(at));
            let slice_of = slice.map(|slice| &**slice);
            plan.writes.extend(settle(item, slice_of, family, &ports, list, ids));
        }
        plan.writes.extend(unused.into_iter().map(|slice| write::delete(resource::ENDPOINT_SLICES, slice)));
        plan
    }
}

fn is(slice: &Item<EndpointSlice>, family: &str, ports: &[Port]) -> bool {
    slice.address_type == family && ports::of_slice(slice) == ports
}

/// Whether Endpoints are addresses that nobody else makes slices of.
fn mirrored(item: &Item<Endpoints>) -> bool {
    let skipped = item.object.labels.get(SKIP_LABEL).is_some_and(|value| value == "true");
    let lock = item.meta().annotations.as_ref().is_some_and(|all| all.contains_key(LEADER));
    !skipped && !lock && !item.deleting()
}

/// Endpoints for each family and set of ports, as slices hold them.
fn groups(item: &Endpoints) -> impl Iterator<Item = (&'static str, Vec<Port>, Vec<Value>)> {
    let mut groups: BTreeMap<(&'static str, Vec<Port>), BTreeMap<String, Value>> = BTreeMap::new();
    for subset in item.subsets.iter().flatten() {
        let ready = subset.addresses.iter().flatten().map(|address| (address, true));
        let others = subset.not_ready_addresses.iter().flatten().map(|address| (address, false));
        for (address, ready) in ready.chain(others).take(ADDRESS_LIMIT) {
            let Ok(ip) = address.ip.parse::<IpAddr>() else { continue };
            let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            let group = groups.entry((family, self::ports(subset))).or_default();
            group.insert(address.ip.clone(), endpoint(address, ready));
        }
    }
    groups.into_iter().map(|((family, ports), list)| (family, ports, list.into_values().collect()))
}

fn ports(subset: &EndpointSubset) -> Vec<Port> {
    let own = subset.ports.iter().flatten().map(|port| Port {
        name: port.name.clone().unwrap_or_default(),
        port: Some(port.port),
        protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
        app_protocol: port.app_protocol.clone(),
    });
    let mut ports: Vec<Port> = own.collect();
    ports.sort();
    ports
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Value {
    let mut endpoint = json!({"addresses": [address.ip], "conditions": {"ready": ready}});
    if let Some(target) = address.target_ref.as_ref().and_then(|target| serde_json::to_value(target).ok()) {
        endpoint["targetRef"] = target;
    }
    for (field, text) in [("nodeName", &address.node_name), ("hostname", &address.hostname)] {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            endpoint[field] = json!(text);
        }
    }
    endpoint
}

/// Makes the slice, or gives it what it lacks.
fn settle(
    item: &Item<Endpoints>,
    slice: Option<&Item<EndpointSlice>>,
    family: &str,
    ports: &[Port],
    list: Vec<Value>,
    ids: &mut Ids,
) -> Option<crate::PlannedWrite> {
    let (labels, annotations) = (labels(item), annotations(item));
    let Some(slice) = slice else {
        let prefix = format!("{}-", item.key().name);
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
            "metadata": {
                "name": write::generated(&prefix, &ids.suffix()), "generateName": prefix,
                "namespace": item.key().namespace, "labels": labels, "annotations": annotations,
                "ownerReferences": [owners::reference(item)]},
            "endpoints": list, "ports": ports::value(ports)});
        return Some(write::create(resource::ENDPOINT_SLICES, slice));
    };
    let mut patch = json!({});
    let list = Value::Array(list);
    if serde_json::to_value(slice.endpoints.iter().flatten().collect::<Vec<_>>()).ok().as_ref() != Some(&list) {
        patch["endpoints"] = list;
    }
    let present = |map: &Value| if map.is_null() { json!({}) } else { map.clone() };
    let metadata = slice.object.value()["metadata"].take();
    for (field, wanted) in [("labels", labels), ("annotations", annotations)] {
        if let Some(change) = write::difference(&present(&metadata[field]), &wanted) {
            patch["metadata"][field] = change;
        }
    }
    let changes = patch.as_object().is_some_and(|map| !map.is_empty());
    changes.then(|| write::patch(resource::ENDPOINT_SLICES, "", slice, patch))
}

fn labels(item: &Item<Endpoints>) -> Value {
    let own = item.object.labels.iter().filter(|(name, _)| *name != HEADLESS_LABEL);
    let mut labels: Map<String, Value> = own.map(|(name, value)| (name.clone(), json!(value))).collect();
    labels.insert(SERVICE_LABEL.to_owned(), json!(item.key().name));
    labels.insert(MANAGED_LABEL.to_owned(), json!(MANAGER));
    labels.into()
}

fn annotations(item: &Item<Endpoints>) -> Value {
    let own = item.meta().annotations.iter().flatten();
    own.filter(|(name, _)| ![TRIGGER, APPLIED].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}
