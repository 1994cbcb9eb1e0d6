//! ServiceCIDRs and IPAddresses on the model cluster.

use super::harness::rest;
use crate::{
    Controller,
    model::Model,
    resource,
    servicecidr::{AddressController, RangeController},
};
use serde_json::{Value, json};

const BOTH: &[&dyn Controller] = &[&RangeController, &AddressController];
const RANGES: &str = "servicecidrs.networking.k8s.io";
const ADDRESSES: &str = "ipaddresses.networking.k8s.io";

fn range(model: &mut Model, name: &str, cidr: &str) {
    let range = json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": name},
        "spec": {"cidrs": [cidr]}});
    model.create(RANGES, range);
}

fn names(model: &Model) -> Vec<String> {
    model.list(ADDRESSES).iter().map(|address| podium_types::meta::name(address).to_owned()).collect()
}

fn ready(model: &Model, name: &str) -> Option<(Value, Value)> {
    let condition = model.get(RANGES, "", name)?["status"]["conditions"][0].take();
    Some((condition["status"].clone(), condition["reason"].clone()))
}

#[test]
fn every_address_of_a_service_has_its_object() {
    let mut model = Model::new(1);
    let service = |name: &str, ips: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
            "spec": {"clusterIPs": ips}})
    };
    model.create(resource::SERVICES, service("a", json!(["10.0.0.1"])));
    model.create(resource::SERVICES, service("headless", json!(["None"])));
    let reserved = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": {"name": "10.0.0.9"},
        "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "later"}}});
    model.create(ADDRESSES, reserved);
    rest(&mut model, BOTH);
    assert_eq!(names(&model), ["10.0.0.1", "10.0.0.9"]);
    let made = model.get(ADDRESSES, "", "10.0.0.1").unwrap();
    assert_eq!(
        (&made["spec"]["parentRef"]["name"], &made["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"]),
        (&json!("a"), &json!("IPv4"))
    );
    model.delete(resource::SERVICES, "default", "a");
    rest(&mut model, BOTH);
    assert_eq!(names(&model), ["10.0.0.9"]);
}

#[test]
fn a_range_stays_while_an_address_needs_it() {
    let mut model = Model::new(2);
    range(&mut model, "one", "10.0.0.0/24");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "default"},
        "spec": {"clusterIPs": ["10.0.0.1"]}});
    model.create(resource::SERVICES, service);
    rest(&mut model, BOTH);
    assert_eq!(ready(&model, "one"), Some((json!("True"), json!("NetworkReady"))));
    model.delete(RANGES, "", "one");
    rest(&mut model, BOTH);
    assert_eq!(ready(&model, "one"), Some((json!("False"), json!("Terminating"))));
    // Another range that has the address too sets it free.
    range(&mut model, "two", "10.0.0.0/16");
    rest(&mut model, BOTH);
    assert_eq!(ready(&model, "one"), None);
    model.delete(resource::SERVICES, "default", "a");
    rest(&mut model, BOTH);
    model.delete(RANGES, "", "two");
    rest(&mut model, BOTH);
    assert_eq!(ready(&model, "two"), None);
}
