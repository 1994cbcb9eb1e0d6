//! The names that one Service brings into the zone.

use super::{
    Data,
    zone::{ENDPOINT_TTL, SERVICE_TTL},
};
use k8s_openapi::api::{
    core::v1::{Service, ServiceSpec},
    discovery::v1::{Endpoint, EndpointSlice},
};
use podium_types::Key;
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// SRV records all have the same priority, as the specification's examples do.
const PRIORITY: u16 = 0;
/// SRV records share alike.
const WEIGHT: u16 = 100;

type Named = (String, u32, Data);

/// Names, seconds and records of a Service and its endpoints below `domain`.
pub(super) fn service_records(key: &Key, service: &Service, slices: &[Arc<EndpointSlice>], domain: &str) -> Vec<Named> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let name = format!("{}.{}.svc.{domain}", key.name, key.namespace).to_ascii_lowercase();
    if spec.type_.as_deref() == Some("ExternalName") {
        let target = spec.external_name.as_deref().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        if target.is_empty() {
            return Vec::new();
        }
        // An address as external name is not resolved as one, but it must not be a CNAME to nowhere either.
        let data = target.parse::<IpAddr>().map_or_else(|_| Data::Cname(target), Data::from);
        return vec![(name, SERVICE_TTL, data)];
    }
    let ips = cluster_ips(spec);
    if ips.is_empty() { headless(&name, slices) } else { with_address(&name, &ips, spec) }
}

fn cluster_ips(spec: &ServiceSpec) -> BTreeSet<IpAddr> {
    let all = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    all.filter_map(|text| text.parse().ok()).collect()
}

fn with_address(name: &str, ips: &BTreeSet<IpAddr>, spec: &ServiceSpec) -> Vec<Named> {
    let mut records = Vec::new();
    for ip in ips {
        records.push((name.to_owned(), SERVICE_TTL, Data::from(*ip)));
        records.push((reverse(*ip), SERVICE_TTL, Data::Ptr(name.to_owned())));
    }
    for port in spec.ports.iter().flatten() {
        let Ok(number) = u16::try_from(port.port) else { continue };
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        srv(&mut records, name, port.name.as_deref(), protocol, number, name, SERVICE_TTL);
    }
    records
}

fn headless(name: &str, slices: &[Arc<EndpointSlice>]) -> Vec<Named> {
    let mut records = vec![(name.to_owned(), ENDPOINT_TTL, Data::None)];
    for slice in slices {
        for endpoint in slice.endpoints.iter().flatten().filter(|endpoint| is_ready(endpoint)) {
            for ip in endpoint.addresses.iter().filter_map(|text| text.parse::<IpAddr>().ok()) {
                let host = format!("{}.{name}", host_label(endpoint, ip));
                records.push((name.to_owned(), ENDPOINT_TTL, ip.into()));
                records.push((host.clone(), ENDPOINT_TTL, ip.into()));
                records.push((reverse(ip), ENDPOINT_TTL, Data::Ptr(host.clone())));
                for port in slice.ports.iter().flatten() {
                    let Some(number) = port.port.and_then(|p| u16::try_from(p).ok()) else { continue };
                    let protocol = port.protocol.as_deref().unwrap_or("TCP");
                    srv(&mut records, name, port.name.as_deref(), protocol, number, &host, ENDPOINT_TTL);
                }
            }
        }
    }
    records
}

/// SRV under `_port._protocol`, for named ports, and under the Service itself, as other
/// cluster name servers answer.
fn srv(records: &mut Vec<Named>, name: &str, port: Option<&str>, protocol: &str, number: u16, target: &str, ttl: u32) {
    let data = Data::Srv { priority: PRIORITY, weight: WEIGHT, port: number, target: target.to_owned() };
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        let service = format!("_{port}._{protocol}.{name}").to_ascii_lowercase();
        records.push((service, ttl, data.clone()));
    }
    records.push((name.to_owned(), ttl, data));
}

/// `publishNotReadyAddresses` needs no care here: such endpoints are published as ready.
fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
}

/// The pod's hostname where it has one for this Service, else its address with dashes.
fn host_label(endpoint: &Endpoint, ip: IpAddr) -> String {
    match endpoint.hostname.as_deref().filter(|name| !name.is_empty()) {
        Some(hostname) => hostname.to_ascii_lowercase(),
        None => ip.to_string().replace(['.', ':'], "-"),
    }
}

/// The name that asks for the name of an address (RFC 1035 3.5, RFC 3596 2.5).
pub(super) fn reverse(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let digits = ip.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let labels: Vec<String> = digits.rev().map(|digit| format!("{digit:x}")).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}
