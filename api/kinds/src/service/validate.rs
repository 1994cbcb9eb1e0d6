//! Rules for Services.

use super::{defaults::is_external, has_health_check, is_headless, wants_cluster_ip};
use crate::{
    json::{at, int, is_unset, items, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::{collections::BTreeSet, net::IpAddr};

const ONCE: &str = "may not change once set";
/// The older place of `loadBalancerSourceRanges`.
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// Longest `ClientIP` affinity in seconds: a day.
const MAX_AFFINITY_SECONDS: i64 = 86_400;
const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const POLICIES: &[&str] = &["Cluster", "Local"];

pub(super) fn service(object: &Value) -> Errors {
    let spec = &object["spec"];
    let mut errors = Errors::new();
    let headless = is_headless(spec);
    rules::required_one_of(&mut errors, &spec["type"], "spec.type", TYPES);
    ports(&mut errors, spec, headless);
    match text(&spec["type"]) {
        "ExternalName" => external_name(&mut errors, spec),
        kind @ ("LoadBalancer" | "NodePort") if headless => {
            let why = format!("may not be set to 'None' for {kind} services");
            errors.push(FieldError::invalid("spec.clusterIPs[0]", &json!("None"), &why));
        }
        _ => {}
    }
    cluster_ips(&mut errors, spec, headless);
    rules::labels(&mut errors, &spec["selector"], "spec.selector");
    affinity(&mut errors, spec);
    for (i, ip) in items(&spec["externalIPs"]).iter().map(text).enumerate() {
        rules::form(&mut errors, names::ip(ip), &format!("spec.externalIPs[{i}]"), ip);
        rules::not_special(&mut errors, ip, &format!("spec.externalIPs[{i}]"));
    }
    sources(&mut errors, object);
    traffic(&mut errors, spec);
    errors
}

fn external_name(errors: &mut Errors, spec: &Value) {
    for (field, path) in [
        ("clusterIPs", "spec.clusterIPs"),
        ("ipFamilies", "spec.ipFamilies"),
        ("ipFamilyPolicy", "spec.ipFamilyPolicy"),
    ] {
        if !is_unset(&spec[field]) {
            errors.push(FieldError::forbidden(path, "may not be set for ExternalName services"));
        }
    }
    let name = text(&spec["externalName"]);
    let name = name.strip_suffix('.').unwrap_or(name);
    rules::required_form(errors, names::dns_subdomain, &json!(name), "spec.externalName");
}

fn cluster_ips(errors: &mut Errors, spec: &Value, headless: bool) {
    if !wants_cluster_ip(spec) {
        return;
    }
    let ips = items(&spec["clusterIPs"]);
    let mut refuse = |why: &str| errors.push(FieldError::invalid("spec.clusterIPs", &spec["clusterIPs"], why));
    match text(&spec["clusterIP"]) {
        "" if !ips.is_empty() => refuse("must be empty when `clusterIP` is not specified"),
        ip if ips.first().is_some_and(|first| first != ip) => refuse("first value must match `clusterIP`"),
        _ => {}
    }
    if ips.len() > 1 && headless {
        refuse("'None' must be the first and only value");
    }
    if ips.len() > 2 {
        refuse("may only hold up to 2 values");
    }
    let addresses: Vec<Option<IpAddr>> = ips.iter().map(|ip| text(ip).parse().ok()).collect();
    if let [Some(one), Some(other)] = addresses[..]
        && one.is_ipv4() == other.is_ipv4()
    {
        refuse("may specify no more than one IP for each IP family");
    }
    let families = items(&spec["ipFamilies"]);
    for (i, ip) in ips.iter().enumerate().filter(|_| !headless) {
        let path = format!("spec.clusterIPs[{i}]");
        rules::form(errors, names::ip(text(ip)), &path, text(ip));
        let (Some(Some(address)), Some(family)) = (addresses.get(i), families.get(i).map(text)) else { continue };
        if matches!((family, address.is_ipv4()), ("IPv4", false) | ("IPv6", true)) {
            let why = format!("expected an {family} value as indicated by `ipFamilies[{i}]`");
            errors.push(FieldError::invalid(path, ip, &why));
        }
    }
    let mut seen = BTreeSet::new();
    for (i, family) in items(&spec["ipFamilies"]).iter().enumerate() {
        let path = format!("spec.ipFamilies[{i}]");
        rules::one_of(errors, family, &path, &["IPv4", "IPv6"]);
        rules::unique(errors, &mut seen, text(family), &path);
    }
    let policies = &["PreferDualStack", "RequireDualStack", "SingleStack"];
    rules::one_of(errors, &spec["ipFamilyPolicy"], "spec.ipFamilyPolicy", policies);
}

fn ports(errors: &mut Errors, spec: &Value, headless: bool) {
    let list = items(&spec["ports"]);
    if list.is_empty() && !headless && spec["type"] != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    let (mut seen_names, mut seen_ports, mut seen_nodes) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (i, port) in list.iter().enumerate() {
        let path = format!("spec.ports[{i}]");
        let name = child(&path, "name");
        if list.len() > 1 || !is_unset(&port["name"]) {
            rules::required_form(errors, names::dns_label, &port["name"], &name);
            if !is_unset(&port["name"]) {
                rules::unique(errors, &mut seen_names, text(&port["name"]), &name);
            }
        }
        rules::port(errors, &port["port"], &child(&path, "port"));
        rules::required_one_of(errors, &port["protocol"], &child(&path, "protocol"), rules::PROTOCOLS);
        rules::port_or_name(errors, &port["targetPort"], &child(&path, "targetPort"));
        let application = text(&port["appProtocol"]);
        if !application.is_empty() {
            rules::form(errors, names::qualified_name(application), &child(&path, "appProtocol"), application);
        }
        let protocol = text(&port["protocol"]);
        let (number, node_port) = (int(&port["port"]), int(&port["nodePort"]));
        if !seen_ports.insert((number, protocol)) {
            errors.push(FieldError::duplicate(&path, &json!({"port": number, "protocol": protocol})));
        }
        if node_port != 0 {
            let path = child(&path, "nodePort");
            let kind = text(&spec["type"]);
            if kind == "ClusterIP" {
                let why = format!("may not be used when `type` is '{kind}'");
                errors.push(FieldError::forbidden(&path, &why));
            }
            if !seen_nodes.insert((node_port, protocol)) {
                errors.push(FieldError::duplicate(path, &json!(node_port)));
            }
        }
    }
}

fn affinity(errors: &mut Errors, spec: &Value) {
    rules::required_one_of(errors, &spec["sessionAffinity"], "spec.sessionAffinity", &["ClientIP", "None"]);
    if spec["sessionAffinity"] != "ClientIP" {
        if spec["sessionAffinity"] == "None" && !spec["sessionAffinityConfig"].is_null() {
            let why = "must not be set when session affinity is None";
            errors.push(FieldError::forbidden("spec.sessionAffinityConfig", why));
        }
        return;
    }
    let path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
    let seconds = at(spec, "sessionAffinityConfig.clientIP.timeoutSeconds");
    if seconds.as_i64().is_some_and(|s| s <= 0 || s > MAX_AFFINITY_SECONDS) {
        let why = format!("must be greater than 0 and less than {MAX_AFFINITY_SECONDS}");
        errors.push(FieldError::invalid(path, seconds, &why));
    }
}

/// Who may come in: a field, or an annotation that is older.
fn sources(errors: &mut Errors, object: &Value) {
    let (spec, annotation) = (&object["spec"], &object["metadata"]["annotations"][SOURCE_RANGES]);
    let (ranges, path): (Vec<&str>, String) = match items(&spec["loadBalancerSourceRanges"]) {
        [] if annotation.is_null() => return,
        [] => (text(annotation).split(',').collect(), format!("metadata.annotations[{SOURCE_RANGES}]")),
        // Kubernetes writes this field in capitals.
        list => (list.iter().map(text).collect(), "spec.LoadBalancerSourceRanges".to_owned()),
    };
    if spec["type"] != "LoadBalancer" {
        errors.push(FieldError::forbidden(&path, "may only be used when `type` is 'LoadBalancer'"));
    }
    for (i, range) in ranges.into_iter().map(str::trim).enumerate().filter(|(_, range)| !range.is_empty()) {
        let path = if path.starts_with("spec") { format!("{path}[{i}]") } else { path.clone() };
        rules::form(errors, names::cidr(range), &path, range);
    }
}

fn traffic(errors: &mut Errors, spec: &Value) {
    let external = &spec["externalTrafficPolicy"];
    if is_external(spec) {
        rules::required_one_of(errors, external, "spec.externalTrafficPolicy", POLICIES);
    } else if !is_unset(external) {
        let why = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid("spec.externalTrafficPolicy", external, why));
    }
    let internal = &spec["internalTrafficPolicy"];
    if wants_cluster_ip(spec) {
        rules::required_one_of(errors, internal, "spec.internalTrafficPolicy", POLICIES);
    }
    let distributions = &["PreferClose", "PreferSameNode", "PreferSameZone"];
    rules::one_of(errors, &spec["trafficDistribution"], "spec.trafficDistribution", distributions);
    if spec["type"] != "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if !is_unset(&spec[field]) {
                errors.push(FieldError::forbidden(
                    child("spec", field),
                    "may only be used when `type` is 'LoadBalancer'",
                ));
            }
        }
    }
    if spec["type"] == "LoadBalancer" {
        let class = text(&spec["loadBalancerClass"]);
        if !spec["loadBalancerClass"].is_null() {
            rules::form(errors, names::qualified_name(class), "spec.loadBalancerClass", class);
        }
    }
    if int(&spec["healthCheckNodePort"]) == 0 {
        return;
    }
    if has_health_check(spec) {
        rules::port(errors, &spec["healthCheckNodePort"], "spec.healthCheckNodePort");
    } else {
        let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.push(FieldError::invalid("spec.healthCheckNodePort", &spec["healthCheckNodePort"], why));
    }
}

/// A Service keeps its cluster IP for life, as long as its type has one.
pub(super) fn change(object: &Value, old: &Value) -> Errors {
    let (spec, old) = (&object["spec"], &old["spec"]);
    let mut errors = Errors::new();
    if spec["type"] == "LoadBalancer" && old["type"] == "LoadBalancer" {
        let (class, before) = (&spec["loadBalancerClass"], &old["loadBalancerClass"]);
        if class != before {
            errors.push(FieldError::invalid("spec.loadBalancerClass", class, ONCE));
        }
    }
    let both_checked = has_health_check(spec) && has_health_check(old);
    if both_checked && int(&spec["healthCheckNodePort"]) != int(&old["healthCheckNodePort"]) {
        errors.push(FieldError::forbidden("spec.healthCheckNodePort", rules::IMMUTABLE));
    }
    let headless = [spec, old].map(is_headless);
    if !wants_cluster_ip(spec) || !wants_cluster_ip(old) || headless == [true, true] {
        return errors;
    }
    stays(&mut errors, spec, old, "clusterIPs", "clusterIP");
    if headless == [false, false] {
        stays(&mut errors, spec, old, "ipFamilies", "ipFamily");
    }
    errors
}

/// What a Service has of each family stays; the second may be given back by a Service that says so.
fn stays(errors: &mut Errors, spec: &Value, old: &Value, field: &str, one: &str) {
    let (new, before) = (items(&spec[field]), items(&old[field]));
    let changed = |i: usize| FieldError::invalid(format!("spec.{field}[{i}]"), &spec[field], ONCE);
    if before.is_empty() {
        return;
    }
    if new.is_empty() {
        let why = format!("primary {one} can not be unset");
        errors.push(FieldError::invalid(format!("spec.{field}[0]"), &spec[field], &why));
        return;
    }
    for (i, _) in new.iter().zip(before).enumerate().filter(|(_, (new, before))| new != before) {
        errors.push(changed(i));
    }
    if new.len() < before.len() && spec["ipFamilyPolicy"] != "SingleStack" {
        let why = format!("must be set to 'SingleStack' when releasing the secondary {one}");
        errors.push(FieldError::invalid("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], &why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(spec: Value) -> Vec<String> {
        let mut object = json!({"spec": spec});
        super::super::defaults::service(&mut object);
        service(&object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn messages_are_those_of_kubernetes() {
        let cases = [
            (json!({"ports": [{"port": 80}]}), vec![]),
            (json!({"clusterIP": "None"}), vec![]),
            (json!({}), vec!["spec.ports: Required value"]),
            (
                json!({"type": "X", "ports": [{"port": 80}]}),
                vec![
                    r#"spec.type: Unsupported value: "X": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#,
                ],
            ),
            (json!({"ports": [{"port": 80}, {"name": "b", "port": 81}]}), vec!["spec.ports[0].name: Required value"]),
            (
                json!({"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}),
                vec![r#"spec.ports[1].name: Duplicate value: "a""#],
            ),
            (
                json!({"ports": [{"port": 0, "targetPort": 1}]}),
                vec!["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"],
            ),
            (
                json!({"ports": [{"port": 80, "nodePort": 30000}]}),
                vec!["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
            ),
            (json!({"type": "ExternalName"}), vec!["spec.externalName: Required value"]),
            (
                json!({"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]}),
                vec![r#"spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services"#],
            ),
            (
                json!({"externalTrafficPolicy": "Local", "ports": [{"port": 80}]}),
                vec![
                    r#"spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services"#,
                ],
            ),
            (
                json!({"clusterIP": "10.0.0.300", "ports": [{"port": 80}]}),
                vec![
                    r#"spec.clusterIPs[0]: Invalid value: "10.0.0.300": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
                ],
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(messages(spec.clone()), expected, "{spec}");
        }
    }

    #[test]
    fn the_cluster_ip_is_for_life() {
        let of = |kind: &str, ip: &str| json!({"spec": {"type": kind, "clusterIP": ip, "clusterIPs": [ip]}});
        assert!(change(&of("NodePort", "10.0.0.1"), &of("ClusterIP", "10.0.0.1")).is_empty());
        assert!(change(&of("ExternalName", ""), &of("ClusterIP", "10.0.0.1")).is_empty());
        assert_eq!(
            change(&of("ClusterIP", "10.0.0.2"), &of("ClusterIP", "10.0.0.1"))[0].to_string(),
            r#"spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set"#
        );
    }
}
