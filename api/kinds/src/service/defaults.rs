//! What a Service has when its writer did not say.

use super::{is_headless, wants_cluster_ip};
use crate::json::{at, int, is_unset, items, items_mut, pair, remove, set, set_default, text};
use serde_json::{Value, json};

/// Seconds that a client stays with its pod under affinity `ClientIP`: three hours.
const AFFINITY_SECONDS: i64 = 10_800;

pub(super) fn service(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    set_default(spec, "type", "ClusterIP");
    set_default(spec, "sessionAffinity", "None");
    match text(&spec["sessionAffinity"]) {
        "None" => remove(spec, "sessionAffinityConfig"),
        "ClientIP" if at(spec, "sessionAffinityConfig.clientIP.timeoutSeconds").is_null() => {
            set(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}));
        }
        _ => {}
    }
    for port in items_mut(spec, "ports") {
        set_default(port, "protocol", "TCP");
        let target = &port["targetPort"];
        if is_unset(target) || target == &json!(0) {
            let same = int(&port["port"]);
            set(port, "targetPort", same);
        }
    }
    if is_external(spec) {
        set_default(spec, "externalTrafficPolicy", "Cluster");
    }
    if wants_cluster_ip(spec) {
        set_default(spec, "internalTrafficPolicy", "Cluster");
        pair(spec, "clusterIP", "clusterIPs", None);
        families(spec);
    }
    if spec["type"] == "LoadBalancer" {
        set_default(spec, "allocateLoadBalancerNodePorts", true);
    }
}

/// Whether traffic from outside reaches the Service.
pub(super) fn is_external(spec: &Value) -> bool {
    match text(&spec["type"]) {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => !is_unset(&spec["externalIPs"]),
        _ => false,
    }
}

/// Families as a single-stack IPv4 cluster gives them, or as the given cluster IPs show.
fn families(spec: &mut Value) {
    // Endpoints of such a Service are its writer's own: they may be of either family.
    let any = is_headless(spec) && is_unset(&spec["selector"]);
    if is_unset(&spec["ipFamilies"]) {
        let mut list: Vec<&str> = items(&spec["clusterIPs"]).iter().filter_map(|ip| family_of(text(ip))).collect();
        if list.is_empty() {
            list = if any && spec["ipFamilyPolicy"] != "SingleStack" { vec!["IPv4", "IPv6"] } else { vec!["IPv4"] };
        }
        set(spec, "ipFamilies", json!(list));
    }
    let both = items(&spec["ipFamilies"]).len() > 1;
    set_default(spec, "ipFamilyPolicy", if both { "RequireDualStack" } else { "SingleStack" });
}

fn family_of(ip: &str) -> Option<&'static str> {
    let ip: std::net::IpAddr = ip.parse().ok()?;
    Some(if ip.is_ipv4() { "IPv4" } else { "IPv6" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaulted(spec: Value) -> Value {
        let mut object = json!({"spec": spec});
        service(&mut object);
        object["spec"].take()
    }

    #[test]
    fn a_plain_service() {
        assert_eq!(
            defaulted(json!({"ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "targetPort": "dns"}]})),
            json!({"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80},
                    {"port": 53, "protocol": "UDP", "targetPort": "dns"}]})
        );
    }

    #[test]
    fn by_type() {
        let name = defaulted(json!({"type": "ExternalName", "externalName": "a.b"}));
        assert_eq!(name, json!({"type": "ExternalName", "externalName": "a.b", "sessionAffinity": "None"}));
        let balancer = defaulted(json!({"type": "LoadBalancer"}));
        assert_eq!(balancer["externalTrafficPolicy"], "Cluster");
        assert_eq!(balancer["allocateLoadBalancerNodePorts"], true);
        let headless = defaulted(json!({"clusterIP": "None"}));
        assert_eq!(headless["clusterIPs"], json!(["None"]));
        assert_eq!(headless["ipFamilies"], json!(["IPv4", "IPv6"]));
        let headless = defaulted(json!({"clusterIP": "None", "selector": {"a": "b"}}));
        assert_eq!(headless["ipFamilies"], json!(["IPv4"]));
        let sticky = defaulted(json!({"sessionAffinity": "ClientIP"}));
        assert_eq!(sticky["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], AFFINITY_SECONDS);
        assert_eq!(defaulted(json!({"clusterIPs": ["fd00::1"]}))["ipFamilies"], json!(["IPv6"]));
    }
}
