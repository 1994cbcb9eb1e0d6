//! NodeMetrics and PodMetrics: what is used of CPU and memory now, measured by the agents.
//!
//! Deliberately absent: any write, and watching; whoever wants to know asks again.

use crate::{
    Column, Kind, cells,
    json::{items, text},
    resources,
};
use podium_types::{ApiError, Key, Timestamp};
use serde_json::{Value, json};

/// Their group.
pub const GROUP: &str = "metrics.k8s.io";

/// What both have in common.
const USE: Kind = Kind {
    group: GROUP,
    versions: &["v1beta1"],
    verbs: &["get", "list"],
    columns: &[Column::NAME, Column::text("CPU"), Column::text("Memory"), Column::text("Window")],
    row,
    live: true,
    ..Kind::PLAIN
};

/// metrics.k8s.io/v1beta1 NodeMetrics.
pub static NODES: Kind = Kind {
    kind: "NodeMetrics",
    list_kind: "NodeMetricsList",
    plural: "nodes",
    singular: "nodemetrics",
    namespaced: false,
    resource: "nodes.metrics.k8s.io",
    schema: "io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics",
    ..USE
};

/// metrics.k8s.io/v1beta1 PodMetrics.
pub static PODS: Kind = Kind {
    kind: "PodMetrics",
    list_kind: "PodMetricsList",
    plural: "pods",
    singular: "podmetrics",
    resource: "pods.metrics.k8s.io",
    schema: "io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics",
    ..USE
};

/// What clients know an absent one by: the kind's name, and the namespace before the object's.
pub fn missing(kind: &Kind, key: &Key) -> ApiError {
    let name = if kind.namespaced { format!("{}/{}", key.namespace, key.name) } else { key.name.clone() };
    ApiError::not_found(kind.singular, kind.group, &name)
}

fn row(object: &Value, _now: Timestamp) -> Vec<Value> {
    let own = &object["usage"];
    let parts = items(&object["containers"]).iter().map(|c| &c["usage"]);
    let parts: Vec<&Value> = if own.is_object() { vec![own] } else { parts.collect() };
    let amounts = |name: &str| parts.iter().filter_map(|p| resources::quantity(&p[name])).collect::<Vec<_>>();
    let cpu: i64 = amounts("cpu").iter().map(podium_types::Quantity::milli_value).sum();
    let bytes: i64 = amounts("memory").iter().map(podium_types::Quantity::value).sum();
    vec![
        cells::name(object),
        json!(format!("{cpu}m")),
        json!(format!("{}Ki", bytes / 1024)),
        json!(text(&object["window"])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_containers() {
        let usage = |cpu: &str, memory: &str| json!({"usage": {"cpu": cpu, "memory": memory}});
        let pod = json!({"metadata": {"name": "p"}, "window": "15s",
            "containers": [usage("1500000n", "1Mi"), usage("3m", "512Ki")]});
        assert_eq!(row(&pod, Timestamp::UNIX_EPOCH), [json!("p"), json!("5m"), json!("1536Ki"), json!("15s")]);
        let mut node = usage("2", "1Gi");
        node["metadata"] = json!({"name": "n"});
        assert_eq!(row(&node, Timestamp::UNIX_EPOCH), [json!("n"), json!("2000m"), json!("1048576Ki"), json!("")]);
        assert_eq!(missing(&PODS, &Key::new("ns", "p")).message, "podmetrics.metrics.k8s.io \"ns/p\" not found");
        assert_eq!(missing(&NODES, &Key::new("", "n")).message, "nodemetrics.metrics.k8s.io \"n\" not found");
    }
}
