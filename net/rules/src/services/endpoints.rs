//! Which endpoints serve a Service's port.

use super::Protocol;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

/// Label of an EndpointSlice: the Service it belongs to.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// The endpoints of one port: address to port and whether it is on this node.
pub(super) struct Endpoints {
    /// Those that any node may use.
    pub cluster: BTreeMap<Ipv4Addr, u16>,
    /// Those on this node.
    pub local: BTreeMap<Ipv4Addr, u16>,
}

#[derive(PartialEq)]
enum Health {
    Ready,
    /// Terminating, but still serving: used when nothing else is left (KEP-1669).
    Leaving,
    Unusable,
}

fn health(endpoint: &Endpoint) -> Health {
    let conditions = endpoint.conditions.as_ref();
    let ready = conditions.and_then(|c| c.ready).unwrap_or(true);
    let serving = conditions.and_then(|c| c.serving).unwrap_or(ready);
    let terminating = conditions.and_then(|c| c.terminating).unwrap_or(false);
    match (ready, serving && terminating) {
        (true, _) => Health::Ready,
        (false, true) => Health::Leaving,
        (false, false) => Health::Unusable,
    }
}

/// Collects the endpoints of the port called `name` from the slices of a Service.
pub(super) fn collect(slices: &[Arc<EndpointSlice>], name: &str, protocol: Protocol, node: &str) -> Endpoints {
    let mut found: [BTreeMap<Ipv4Addr, (u16, bool)>; 2] = Default::default();
    for slice in slices.iter().filter(|slice| slice.address_type == "IPv4") {
        let ports = slice.ports.iter().flatten();
        let port = ports.filter(|p| p.name.as_deref().unwrap_or_default() == name).find_map(|p| {
            let same = p.protocol.as_deref().unwrap_or("TCP").parse() == Ok(protocol);
            same.then_some(p.port).flatten().and_then(|port| u16::try_from(port).ok())
        });
        let Some(port) = port else { continue };
        for endpoint in slice.endpoints.iter().flatten() {
            let bucket = match health(endpoint) {
                Health::Ready => &mut found[0],
                Health::Leaving => &mut found[1],
                Health::Unusable => continue,
            };
            let local = endpoint.node_name.as_deref() == Some(node);
            // Addresses beyond the first are "fungible" and to be ignored, says the API.
            if let Some(ip) = endpoint.addresses.first().and_then(|text| text.parse().ok()) {
                bucket.entry(ip).or_insert((port, local));
            }
        }
    }
    let [ready, leaving] = found;
    let choose = |wanted: &dyn Fn(bool) -> bool| {
        let pick = |from: &BTreeMap<Ipv4Addr, (u16, bool)>| -> BTreeMap<Ipv4Addr, u16> {
            from.iter().filter(|(_, (_, local))| wanted(*local)).map(|(ip, (port, _))| (*ip, *port)).collect()
        };
        let first = pick(&ready);
        if first.is_empty() { pick(&leaving) } else { first }
    };
    Endpoints { cluster: choose(&|_| true), local: choose(&|local| local) }
}
