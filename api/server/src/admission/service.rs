//! Service allocation: cluster IPs and node ports, asked for or found.

use super::allocation::{Allocation, Claim, Reserved, claims, protocol};
use crate::verbs::Api;
use podium_types::{ApiError, FieldError, meta};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Holds what the Service asks for and finds what it needs; `old` keeps what it has.
pub(super) fn allocate(api: &Api, service: &mut Value, old: Option<&Value>) -> Result<Reserved, ApiError> {
    let own = old.map(claims).unwrap_or_default();
    if !service["spec"].is_object() {
        return Ok(Reserved::default());
    }
    let mut allocation = api.allocator().begin(&**api.backend());
    let mut errors = Vec::new();
    let kind = service["spec"]["type"].as_str().unwrap_or_default().to_owned();
    if matches!(kind.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer") {
        errors.extend(address(api, service, &own, &mut allocation).err());
    }
    let wanted = kind == "NodePort"
        || (kind == "LoadBalancer" && service["spec"]["allocateLoadBalancerNodePorts"] != json!(false));
    if errors.is_empty() {
        ports(api, service, &own, wanted, &mut allocation, &mut errors);
    }
    if errors.is_empty() {
        Ok(allocation.finish())
    } else {
        Err(ApiError::invalid("Service", "", meta::name(service), &errors))
    }
}

fn address(api: &Api, service: &mut Value, own: &[Claim], allocation: &mut Allocation<'_>) -> Result<(), FieldError> {
    let spec = meta::member_mut(service, "spec");
    let asked = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default().to_owned();
    if asked == "None" {
        return Ok(());
    }
    let refuse = |why: String| Err(FieldError::invalid("spec.clusterIPs", &json!([asked]), &why));
    if asked.is_empty() {
        let seed = api.backend().uid();
        let Some(found) = allocation.address(&seed) else {
            return refuse("failed to allocate a serviceIP: range is full".to_owned());
        };
        spec.insert("clusterIP".into(), found.to_string().into());
        spec.insert("clusterIPs".into(), json!([found.to_string()]));
        return Ok(());
    }
    // A malformed address is refused by the kind's own rules.
    let Ok(ip) = asked.parse::<Ipv4Addr>() else { return Ok(()) };
    let claim = Claim::Address(ip);
    if own.contains(&claim) {
        return Ok(());
    }
    let cidr = api.allocator().config().service_cidr;
    if !cidr.contains(ip) || ip == cidr.network() || ip == cidr.broadcast() {
        return refuse(format!(
            "failed to allocate IP {ip}: the provided IP ({ip}) is not in the valid range. The range of valid IPs is {cidr}"
        ));
    }
    if !allocation.request(claim) {
        return refuse(format!("failed to allocate IP {ip}: provided IP is already allocated"));
    }
    Ok(())
}

fn ports(
    api: &Api,
    service: &mut Value,
    own: &[Claim],
    wanted: bool,
    allocation: &mut Allocation<'_>,
    errors: &mut Vec<FieldError>,
) {
    let range = api.allocator().config().node_ports.clone();
    // What is asked for goes first, so that a port found for another entry does not take it.
    let list = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    let list = list.map_or(&mut [][..], Vec::as_mut_slice);
    for (i, port) in list.iter().enumerate() {
        let Some(number) = port["nodePort"].as_u64().filter(|n| *n > 0) else { continue };
        let field = format!("spec.ports[{i}].nodePort");
        let value = json!(number);
        let Some(number) = u16::try_from(number).ok().filter(|n| range.contains(n)) else {
            let (first, last) = (range.start(), range.end());
            let why = format!("provided port is not in the valid range. The range of valid ports is {first}-{last}");
            errors.push(FieldError::invalid(field, &value, &why));
            continue;
        };
        let claim = Claim::Port(number, protocol(port));
        if !own.contains(&claim) && !allocation.request(claim) {
            errors.push(FieldError::invalid(field, &value, "provided port is already allocated"));
        }
    }
    if !wanted || !errors.is_empty() {
        return;
    }
    for (i, port) in list.iter_mut().enumerate() {
        if port["nodePort"].as_u64().is_some_and(|n| n > 0) || !port.is_object() {
            continue;
        }
        match allocation.port(&api.backend().uid(), &protocol(port)) {
            Some(number) => port["nodePort"] = json!(number),
            None => errors.push(FieldError::invalid(
                format!("spec.ports[{i}].nodePort"),
                &port["nodePort"],
                "failed to allocate a nodePort: range is full",
            )),
        }
    }
}
