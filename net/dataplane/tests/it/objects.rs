//! Services and EndpointSlices for tests.

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use serde_json::{Value, json};
use std::sync::Arc;

pub fn service(name: &str, spec: Value) -> Arc<Service> {
    let object = json!({"metadata": {"namespace": "default", "name": name}, "spec": spec});
    Arc::new(serde_json::from_value(object).unwrap())
}

/// A slice with one port and endpoints on the node.
pub fn slice(service: &str, protocol: &str, port: u16, ips: &[&str]) -> Arc<EndpointSlice> {
    slice_on(service, protocol, port, ips, "node")
}

pub fn slice_on(service: &str, protocol: &str, port: u16, ips: &[&str], node: &str) -> Arc<EndpointSlice> {
    let endpoints: Vec<_> =
        ips.iter().map(|ip| json!({"addresses": [ip], "nodeName": node, "conditions": {"ready": true}})).collect();
    let object = json!({
        "metadata": {"namespace": "default", "name": format!("{service}-{node}"),
            "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "endpoints": endpoints,
        "ports": [{"name": "", "protocol": protocol, "port": port}],
    });
    Arc::new(serde_json::from_value(object).unwrap())
}
