//! From one Service and its EndpointSlices to elements.

use super::{
    Front, NodeInfo, Protocol, Refusal, Rule, RuleSet, Scope, Value,
    endpoints::{SERVICE_NAME_LABEL, collect},
};
use k8s_openapi::api::{
    core::v1::{Service, ServiceSpec},
    discovery::v1::EndpointSlice,
};
use podium_types::Key;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// `service.spec.sessionAffinityConfig.clientIP.timeoutSeconds` where it is not set.
const DEFAULT_AFFINITY_SECONDS: u32 = 10_800;

/// A Service with this label is the business of another service proxy.
const PROXY_NAME_LABEL: &str = "service.kubernetes.io/service-proxy-name";

/// The elements of one Service; `slices` are those labelled with its name.
pub fn pieces(service: &Service, slices: &[Arc<EndpointSlice>], node: &NodeInfo) -> BTreeMap<Rule, Value> {
    let mut rules = BTreeMap::new();
    let Some(spec) = &service.spec else { return rules };
    let foreign = service.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(PROXY_NAME_LABEL));
    if foreign || spec.type_.as_deref() == Some("ExternalName") {
        return rules;
    }
    let affinity = affinity(spec);
    let internal_local = spec.internal_traffic_policy.as_deref() == Some("Local");
    let external_local = spec.external_traffic_policy.as_deref() == Some("Local");
    let (cluster_ips, external_ips) = (cluster_ips(spec), external_ips(service, spec));
    for service_port in spec.ports.iter().flatten() {
        let Ok(protocol) = service_port.protocol.as_deref().unwrap_or("TCP").parse::<Protocol>() else { continue };
        let Ok(port) = u16::try_from(service_port.port) else { continue };
        let name = service_port.name.as_deref().unwrap_or_default();
        let endpoints = collect(slices, name, protocol, &node.name);
        // Endpoints that people write need not name their node.
        let mine = |ip: &Ipv4Addr| node.pod_cidr.is_some_and(|cidr| cidr.contains(*ip));
        let unnamed = endpoints.cluster.keys().filter(|ip| mine(ip));
        for ip in endpoints.local.keys().chain(unnamed).filter(|ip| !node.ips.contains(&IpAddr::V4(**ip))) {
            rules.insert(Rule::Hairpin(*ip), Value::Present);
        }
        for ip in &cluster_ips {
            if endpoints.cluster.is_empty() && node.dns_ip == Some(IpAddr::V4(*ip)) {
                continue;
            }
            let front = Front::Vip { ip: *ip, protocol, port };
            let usable = if internal_local { &endpoints.local } else { &endpoints.cluster };
            // Served elsewhere but not here is no error of the client's: it is dropped, as by kube-proxy.
            let refusal = if endpoints.cluster.is_empty() { Refusal::Reject } else { Refusal::Drop };
            frontend(&mut rules, Scope::Any, front, usable, affinity, refusal);
        }
        let node_port = service_port.node_port.and_then(|p| u16::try_from(p).ok()).filter(|p| *p != 0);
        let vips = external_ips.iter().map(|ip| Front::Vip { ip: *ip, protocol, port });
        for front in vips.chain(node_port.map(|port| Front::NodePort { protocol, port })) {
            frontend(&mut rules, Scope::Any, front, &endpoints.cluster, affinity, Refusal::Reject);
            if external_local && !endpoints.cluster.is_empty() {
                frontend(&mut rules, Scope::External, front, &endpoints.local, affinity, Refusal::Drop);
            }
        }
    }
    rules
}

/// The elements of all Services at once.
pub fn rule_set(services: &[Arc<Service>], slices: &[Arc<EndpointSlice>], node: &NodeInfo) -> RuleSet {
    let by_service = group(slices);
    let mut named: Vec<(Key, &Arc<Service>)> = services.iter().map(|service| (key(service), service)).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let mut rules = BTreeMap::new();
    for (key, service) in named {
        let slices = by_service.get(&key).map(Vec::as_slice).unwrap_or_default();
        for (rule, value) in pieces(service, slices, node) {
            rules.entry(rule).or_insert(value);
        }
    }
    RuleSet { rules }
}

/// Slices by the Service they belong to.
pub(crate) fn group(slices: &[Arc<EndpointSlice>]) -> BTreeMap<Key, Vec<Arc<EndpointSlice>>> {
    let mut groups: BTreeMap<Key, Vec<Arc<EndpointSlice>>> = BTreeMap::new();
    for slice in slices {
        let service = slice.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME_LABEL));
        if let Some(name) = service {
            let namespace = slice.metadata.namespace.clone().unwrap_or_default();
            groups.entry(Key::new(namespace, name.clone())).or_default().push(slice.clone());
        }
    }
    groups
}

/// Namespace and name of a Service.
pub(crate) fn key(service: &Service) -> Key {
    let metadata = &service.metadata;
    Key::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

fn frontend(
    rules: &mut BTreeMap<Rule, Value>,
    scope: Scope,
    front: Front,
    endpoints: &BTreeMap<Ipv4Addr, u16>,
    affinity: Option<u32>,
    refusal: Refusal,
) {
    if endpoints.is_empty() {
        rules.insert(Rule::Refuse(scope, front), Value::Refuse(refusal));
        return;
    }
    let mut slots = 0;
    for (ip, port) in endpoints {
        if affinity.is_some() {
            rules.insert(Rule::Pick(scope, front, slots), Value::Address(*ip));
            rules.insert(Rule::Peer(scope, front, *ip), Value::Endpoint(*ip, *port));
        } else {
            rules.insert(Rule::Slot(scope, front, slots), Value::Endpoint(*ip, *port));
        }
        slots += 1;
    }
    rules.insert(Rule::Balance(scope, front), Value::Balance { slots, affinity });
}

fn affinity(spec: &ServiceSpec) -> Option<u32> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let client_ip = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let seconds = client_ip.and_then(|client| client.timeout_seconds).and_then(|s| u32::try_from(s).ok());
    Some(seconds.filter(|s| *s > 0).unwrap_or(DEFAULT_AFFINITY_SECONDS))
}

/// The Service's IPv4 addresses within the cluster; none when it is headless.
fn cluster_ips(spec: &ServiceSpec) -> BTreeSet<Ipv4Addr> {
    let all = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    all.filter_map(|text| text.parse().ok()).collect()
}

fn external_ips(service: &Service, spec: &ServiceSpec) -> BTreeSet<Ipv4Addr> {
    let mut ips: BTreeSet<Ipv4Addr> = spec.external_ips.iter().flatten().filter_map(|ip| ip.parse().ok()).collect();
    if spec.type_.as_deref() == Some("LoadBalancer") {
        let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        for ingress in balancer.and_then(|status| status.ingress.as_ref()).into_iter().flatten() {
            // `Proxy` means: the balancer wants to see this traffic (KEP-1860).
            if ingress.ip_mode.as_deref() != Some("Proxy") {
                ips.extend(ingress.ip.as_ref().and_then(|ip| ip.parse::<Ipv4Addr>().ok()));
            }
        }
    }
    ips
}
