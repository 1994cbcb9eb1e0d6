//! An IPAddress for each address that a Service has, and none for those that nobody has any more.
//!
//! What is taken is decided at admission, from the Services themselves; these objects tell it to
//! those who look. A key with a namespace is a Service's, one without is an address's.

use super::ADDRESSES;
use crate::{Controller, Ids, Plan, View, resource, view::Item, write};
use k8s_openapi::api::core::v1::Service;
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;
use std::net::IpAddr;

const MANAGED: &str = "ipaddress.kubernetes.io/managed-by";
const MANAGER: &str = "ipallocator.k8s.io";
const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";

/// The controller of IPAddresses.
pub struct AddressController;

fn addresses(service: &Item<Service>) -> impl Iterator<Item = IpAddr> {
    let ips = service.spec.as_ref().and_then(|spec| spec.cluster_ips.as_deref()).unwrap_or_default();
    // A headless Service has the word `None`.
    ips.iter().filter_map(|ip| ip.parse().ok())
}

impl Controller for AddressController {
    fn name(&self) -> &'static str {
        "ip-address"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::SERVICES, ADDRESSES]
    }
    fn keys(&self, _view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = event.object.key.clone();
        if resource != resource::SERVICES {
            return vec![key];
        }
        let before = event.previous.as_ref().and_then(Item::<Service>::parse);
        let after = Item::<Service>::parse(&event.object);
        let all = before.iter().chain(&after).flat_map(addresses).map(|ip| Key::new("", ip.to_string()));
        all.chain([key]).collect()
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        let services = view.services.all().map(|service| service.key().clone());
        services.chain(view.of_kind(ADDRESSES).map(|address| address.key().clone())).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        if key.namespace.is_empty() {
            return stray(view, key);
        }
        let Some(service) = view.services.get(key).filter(|service| !service.deleting()) else {
            return Plan::default();
        };
        let mut plan = Plan::default();
        for ip in addresses(service) {
            let name = ip.to_string();
            if view.header(ADDRESSES, &Key::new("", name.as_str())).is_some() {
                continue;
            }
            let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            plan.writes.push(write::create(
                ADDRESSES,
                json!({"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
                    "metadata": {"name": name, "labels": {MANAGED: MANAGER, FAMILY: family}},
                    "spec": {"parentRef": {"group": "", "resource": "services",
                        "namespace": key.namespace, "name": key.name}}}),
            ));
        }
        plan
    }
}

/// Removes an address whose Service has it no more; one that somebody else made stays.
fn stray(view: &View, key: &Key) -> Plan {
    let Some(header) = view.header(ADDRESSES, key).filter(|header| !header.deleting) else { return Plan::default() };
    let object = header.object.value();
    let parent = &object["spec"]["parentRef"];
    let part = |name: &str| parent[name].as_str().unwrap_or_default();
    let service = view.services.get(&Key::new(part("namespace"), part("name")));
    let has = service.is_some_and(|service| addresses(service).any(|ip| ip.to_string() == key.name));
    if has || object["metadata"]["labels"][MANAGED] != MANAGER || part("resource") != "services" {
        return Plan::default();
    }
    Plan { writes: vec![write::delete_header(header)], ..Plan::default() }
}
