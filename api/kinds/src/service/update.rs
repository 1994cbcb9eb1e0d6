//! What an update of a Service keeps of what was allocated to it.
//!
//! `kubectl apply` and most manifests leave allocated fields out; an update without them
//! means the same, not "give it back".

use super::{is_headless, wants_cluster_ip, wants_node_ports};
use crate::json::{carry, int, is_unset, items, items_mut, remove, set, text};
use serde_json::Value;

pub(super) fn keep_allocated(object: &mut Value, old: &Value) {
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    let old = &old["spec"];
    drop_what_the_type_lost(spec, old);
    if wants_cluster_ip(spec) && wants_cluster_ip(old) {
        if is_unset(&spec["clusterIP"]) {
            carry(spec, old, "clusterIP");
        }
        if is_unset(&spec["clusterIPs"]) && spec["clusterIP"] == old["clusterIP"] {
            carry(spec, old, "clusterIPs");
        }
    }
    if wants_node_ports(spec) && wants_node_ports(old) {
        node_ports(spec, old);
    }
    if has_health_check(spec) && has_health_check(old) && int(&spec["healthCheckNodePort"]) == 0 {
        carry(spec, old, "healthCheckNodePort");
    }
}

fn has_health_check(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

fn node_ports(spec: &mut Value, old: &Value) {
    let mut used: Vec<i64> = items(&spec["ports"]).iter().map(|p| int(&p["nodePort"])).collect();
    for port in items_mut(spec, "ports").filter(|p| p.is_object()) {
        if int(&port["nodePort"]) != 0 {
            continue;
        }
        let same = |p: &&Value| p["port"] == port["port"] && text(&p["protocol"]) == text(&port["protocol"]);
        let before = items(&old["ports"]).iter().find(same).map_or(0, |p| int(&p["nodePort"]));
        if before != 0 && !used.contains(&before) {
            used.push(before);
            set(port, "nodePort", before);
        }
    }
}

/// A changed type takes away what it no longer has, unless the client set it anew.
fn drop_what_the_type_lost(spec: &mut Value, old: &Value) {
    if is_unset(&spec["clusterIP"]) && spec["clusterIPs"] == old["clusterIPs"] {
        // Whoever takes away the first address means all of them.
        remove(spec, "clusterIPs");
    }
    if wants_cluster_ip(old) && !wants_cluster_ip(spec) {
        if spec["clusterIP"] == old["clusterIP"] && !is_headless(old) {
            remove(spec, "clusterIP");
            remove(spec, "clusterIPs");
        }
        for field in ["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if spec[field] == old[field] {
                remove(spec, field);
            }
        }
    }
    if wants_node_ports(old) && !wants_node_ports(spec) {
        let before: Vec<i64> = items(&old["ports"]).iter().map(|p| int(&p["nodePort"])).collect();
        let now: Vec<i64> = items(&spec["ports"]).iter().map(|p| int(&p["nodePort"])).collect();
        if before == now {
            items_mut(spec, "ports").for_each(|port| remove(port, "nodePort"));
        }
    }
    if has_health_check(old) && !has_health_check(spec) && spec["healthCheckNodePort"] == old["healthCheckNodePort"] {
        remove(spec, "healthCheckNodePort");
    }
    if old["type"] == "LoadBalancer" && spec["type"] != "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if spec[field] == old[field] {
                remove(spec, field);
            }
        }
    }
    if !super::defaults::is_external(spec) && spec["externalTrafficPolicy"] == old["externalTrafficPolicy"] {
        remove(spec, "externalTrafficPolicy");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn updated(spec: Value, old: Value) -> Value {
        let mut object = json!({"spec": spec});
        keep_allocated(&mut object, &json!({"spec": old}));
        object["spec"].take()
    }

    #[test]
    fn what_was_allocated_stays() {
        let old = json!({"type": "NodePort", "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"],
            "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30001}]});
        let new =
            json!({"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"}]});
        let mut expected = old.clone();
        expected["ports"] =
            json!([{"port": 80, "protocol": "TCP", "nodePort": 30001}, {"port": 81, "protocol": "TCP"}]);
        assert_eq!(updated(new, old), expected);
    }

    #[test]
    fn a_changed_type_gives_back() {
        let old = json!({"type": "NodePort", "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"],
            "externalTrafficPolicy": "Cluster", "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30001}]});
        let mut new = old.clone();
        new["type"] = json!("ClusterIP");
        let plain = json!({"type": "ClusterIP", "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"],
            "ports": [{"port": 80, "protocol": "TCP"}]});
        assert_eq!(updated(new.clone(), old.clone()), plain);
        new["type"] = json!("ExternalName");
        let named = json!({"type": "ExternalName", "ports": [{"port": 80, "protocol": "TCP"}]});
        assert_eq!(updated(new.clone(), old.clone()), named);
        remove(&mut new, "clusterIP");
        let mut old = old;
        for spec in [&mut new, &mut old] {
            set(spec, "ipFamilies", json!(["IPv4"]));
        }
        assert_eq!(updated(new, old), named);
    }
}
