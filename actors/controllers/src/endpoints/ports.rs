//! What EndpointSlices have in common, whoever makes them: ports, labels, whose they are.

use super::address::Port;
use crate::{View, view::Item};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use podium_types::Key;
use serde_json::{Value, json};
use std::sync::Arc;

/// The label that names the Service of a slice.
pub const SERVICE_LABEL: &str = "kubernetes.io/service-name";
/// The label that names who makes it.
pub const MANAGED_LABEL: &str = "endpointslice.kubernetes.io/managed-by";

/// The slices of a Service that `manager` makes.
pub fn managed<'a>(view: &'a View, service: &Key, manager: &str) -> Vec<&'a Arc<Item<EndpointSlice>>> {
    let service = service.to_string();
    let slices = view.slices_by_service.get(&service).filter_map(|key| view.endpoint_slices.get(key));
    let ours = |slice: &&Arc<Item<EndpointSlice>>| slice.object.labels.get(MANAGED_LABEL).is_some_and(|m| m == manager);
    slices.filter(|slice| ours(slice) && !slice.deleting()).collect()
}

/// The ports of a slice, sorted.
pub fn of_slice(slice: &EndpointSlice) -> Vec<Port> {
    let mut ports: Vec<_> = slice.ports.iter().flatten().map(port_of).collect();
    ports.sort();
    ports
}

fn port_of(port: &k8s_openapi::api::discovery::v1::EndpointPort) -> Port {
    Port {
        name: port.name.clone().unwrap_or_default(),
        port: port.port,
        protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
        app_protocol: port.app_protocol.clone(),
    }
}

/// Ports as a slice has them.
pub fn value(ports: &[Port]) -> Value {
    let list = ports.iter().map(|port| {
        let mut value = json!({"name": port.name, "protocol": port.protocol});
        if let Some(number) = port.port {
            value["port"] = json!(number);
        }
        if let Some(protocol) = &port.app_protocol {
            value["appProtocol"] = json!(protocol);
        }
        value
    });
    Value::Array(list.collect())
}
