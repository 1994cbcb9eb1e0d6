//! Endpoints, the older form: one object per Service, for clients that have not moved on.

use super::address::{self, Backend, Port};
use crate::{Controller, Ids, Plan, View, resource, view::Item, write};
use k8s_openapi::api::core::v1::{Endpoints, Service};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Addresses beyond which Endpoints are cut short, as Kubernetes does.
pub const ADDRESS_LIMIT: usize = 1000;
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
const MANAGED_LABEL: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const HEADLESS_LABEL: &str = "service.kubernetes.io/headless";

/// The controller of Endpoints; its keys are Services.
pub struct EndpointsController;

impl Controller for EndpointsController {
    fn name(&self) -> &'static str {
        "endpoints"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::SERVICES, resource::PODS, resource::ENDPOINTS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        match resource {
            resource::SERVICES | resource::ENDPOINTS => vec![event.object.key.clone()],
            resource::PODS => address::services_of(view, event),
            _ => Vec::new(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        // Endpoints have no owner: those of Services that went unseen must be asked about too.
        let services = view.services.all().map(|service| service.key().clone());
        services
            .chain(view.endpoints.all().map(|item| item.key().clone()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let mut plan = Plan::default();
        let current = view.endpoints.get(key);
        let Some(service) = view.services.get(key).filter(|service| !service.deleting()) else {
            let ours = current.filter(|item| item.object.labels.get(MANAGED_LABEL).is_some_and(|m| m == MANAGER));
            plan.writes.extend(ours.map(|item| write::delete(resource::ENDPOINTS, item)));
            return plan;
        };
        let Some(spec) = address::selecting(service) else { return plan };
        let mut backends = address::backends(view, service, spec);
        // Terminating pods are no addresses here, unless the Service publishes all.
        let publish = spec.publish_not_ready_addresses == Some(true);
        backends.retain(|backend| publish || !backend.pod.deleting());
        let over = backends.len() > ADDRESS_LIMIT;
        if over {
            backends.sort_by_key(|backend| !backend.ready);
            backends.truncate(ADDRESS_LIMIT);
        }
        let subsets = subsets(&backends, service);
        let labels = labels(service, spec.cluster_ip.as_deref() == Some("None"));
        match current {
            None => plan.writes.push(write::create(resource::ENDPOINTS, object(service, labels, subsets, over))),
            Some(item) => plan.writes.extend(update(item, &labels, &subsets, over)),
        }
        plan
    }
}

/// Addresses with the same ports share a subset.
fn subsets(backends: &[Backend<'_>], service: &Item<Service>) -> Value {
    let mut groups: BTreeMap<Vec<Port>, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for backend in backends {
        let pod = backend.pod;
        let mut address = json!({"ip": backend.ip, "targetRef": {"kind": "Pod", "namespace": pod.key().namespace,
            "name": pod.key().name, "uid": pod.uid()}});
        if let Some(node) = crate::pods::node(pod) {
            address["nodeName"] = json!(node);
        }
        if let Some(name) = address::hostname(pod, &service.key().name) {
            address["hostname"] = json!(name);
        }
        let (ready, not_ready) = groups.entry(backend.ports.clone()).or_default();
        if backend.ready { ready.push(address) } else { not_ready.push(address) }
    }
    let list = groups.into_iter().map(|(ports, (ready, not_ready))| {
        let mut subset = json!({});
        if !ready.is_empty() {
            subset["addresses"] = ready.into();
        }
        if !not_ready.is_empty() {
            subset["notReadyAddresses"] = not_ready.into();
        }
        if !ports.is_empty() {
            subset["ports"] = ports.iter().map(port).collect();
        }
        subset
    });
    list.collect()
}

fn port(port: &Port) -> Value {
    let mut value = json!({"port": port.port, "protocol": port.protocol});
    if !port.name.is_empty() {
        value["name"] = json!(port.name);
    }
    if let Some(protocol) = &port.app_protocol {
        value["appProtocol"] = json!(protocol);
    }
    value
}

fn labels(service: &Item<Service>, headless: bool) -> Value {
    let own = service.object.labels.iter().filter(|(name, _)| *name != HEADLESS_LABEL);
    let mut labels: Map<String, Value> = own.map(|(name, value)| (name.clone(), json!(value))).collect();
    labels.insert(MANAGED_LABEL.to_owned(), json!(MANAGER));
    if headless {
        labels.insert(HEADLESS_LABEL.to_owned(), json!(""));
    }
    labels.into()
}

fn object(service: &Item<Service>, labels: Value, subsets: Value, over: bool) -> Value {
    let key = service.key();
    let mut object = json!({"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": key.name, "namespace": key.namespace, "labels": labels}, "subsets": subsets});
    if over {
        object["metadata"]["annotations"] = json!({OVER_CAPACITY: "truncated"});
    }
    object
}

fn update(item: &Item<Endpoints>, labels: &Value, subsets: &Value, over: bool) -> Option<crate::PlannedWrite> {
    let current = serde_json::to_value(item.subsets.clone().unwrap_or_default()).unwrap_or_default();
    let mut patch = json!({});
    if current != *subsets {
        patch["subsets"] = subsets.clone();
    }
    let own: Map<String, Value> = item.object.labels.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    if let Some(change) = write::difference(&own.into(), labels) {
        patch["metadata"]["labels"] = change;
    }
    let marked = item.meta().annotations.as_ref().is_some_and(|a| a.contains_key(OVER_CAPACITY));
    if marked != over {
        patch["metadata"]["annotations"][OVER_CAPACITY] = if over { json!("truncated") } else { Value::Null };
    }
    let changes = patch.as_object().is_some_and(|map| !map.is_empty());
    changes.then(|| write::patch(resource::ENDPOINTS, "", item, patch))
}
