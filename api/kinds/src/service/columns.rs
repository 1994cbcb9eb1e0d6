//! What `kubectl get services` shows.

use crate::{
    cells::{self, NONE},
    json::{at, int, items, text},
};
use podium_types::Timestamp;
use serde_json::{Value, json};

pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let cluster_ip = items(&spec["clusterIPs"]).first().unwrap_or(&spec["clusterIP"]);
    vec![
        cells::name(object),
        json!(text(&spec["type"])),
        json!(cells::or_none(cluster_ip)),
        json!(external_ip(object)),
        json!(ports(&spec["ports"])),
        cells::age(object, now),
        json!(cells::labels(&spec["selector"])),
    ]
}

fn external_ip(object: &Value) -> String {
    let spec = &object["spec"];
    let external: Vec<&str> = items(&spec["externalIPs"]).iter().map(text).collect();
    match text(&spec["type"]) {
        "ClusterIP" | "NodePort" if external.is_empty() => NONE.to_owned(),
        "ClusterIP" | "NodePort" => external.join(","),
        "LoadBalancer" => {
            let mut given: Vec<&str> = items(at(object, "status.loadBalancer.ingress"))
                .iter()
                .map(|i| i["ip"].as_str().unwrap_or(text(&i["hostname"])))
                .filter(|s| !s.is_empty())
                .collect();
            given.sort_unstable();
            given.dedup();
            given.extend(external);
            if given.is_empty() { "<pending>".to_owned() } else { given.join(",") }
        }
        "ExternalName" => text(&spec["externalName"]).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// `80:30080/TCP,443/TCP`
fn ports(ports: &Value) -> String {
    let list: Vec<String> = items(ports)
        .iter()
        .map(|p| match (int(&p["port"]), int(&p["nodePort"]), text(&p["protocol"])) {
            (port, node_port, protocol) if node_port > 0 => format!("{port}:{node_port}/{protocol}"),
            (port, _, protocol) => format!("{port}/{protocol}"),
        })
        .collect();
    cells::or_none(&json!(list.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_external_ips() {
        let port = json!([{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]);
        assert_eq!(ports(&port), "80:30080/TCP,53/UDP");
        assert_eq!(ports(&json!([])), "<none>");
        let cases = [
            (json!({"spec": {"type": "ClusterIP"}}), "<none>"),
            (json!({"spec": {"type": "NodePort", "externalIPs": ["1.2.3.4", "5.6.7.8"]}}), "1.2.3.4,5.6.7.8"),
            (json!({"spec": {"type": "LoadBalancer"}}), "<pending>"),
            (
                json!({"spec": {"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]},
                    "status": {"loadBalancer": {"ingress": [{"hostname": "lb"}, {"ip": "1.1.1.1"}]}}}),
                "1.1.1.1,lb,9.9.9.9",
            ),
            (json!({"spec": {"type": "ExternalName", "externalName": "a.b"}}), "a.b"),
            (json!({}), "<unknown>"),
        ];
        for (service, shown) in cases {
            assert_eq!(external_ip(&service), shown, "{service}");
        }
    }
}
