//! Service: a stable address for a set of pods.
//!
//! Deliberately absent: the allocation of cluster IPs and node ports and the ranges they lie in, which needs to know
//! every other Service; the server does that between `prepare_*` and `validate`.

mod columns;
mod defaults;
mod update;
mod validate;

use crate::{Column, Context, Kind, Strategy, Subresource, kind::ALL_VERBS, names};
use columns::row;
use podium_types::FieldError;
use serde_json::{Value, json};

/// core/v1 Service.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "Service",
    list_kind: "ServiceList",
    plural: "services",
    singular: "service",
    short_names: &["svc"],
    categories: &["all"],
    namespaced: true,
    resource: "services",
    schema: "io.k8s.api.core.v1.Service",
    verbs: ALL_VERBS,
    subresources: &[Subresource::proxy("ServiceProxyOptions"), Subresource::part("status", "Service")],
    columns: &[
        Column::NAME,
        Column::text("Type"),
        Column::text("Cluster-IP"),
        Column::text("External-IP"),
        Column::text("Port(s)"),
        Column::AGE,
        Column::text("Selector").wide(),
    ],
    row,
    selectable: &["spec.clusterIP", "spec.type"],
    select: None,
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &Service,
};

struct Service;

impl Strategy for Service {
    fn default(&self, object: &mut Value) {
        defaults::service(object);
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        crate::json::set(object, "status", json!({"loadBalancer": {}}));
    }
    fn prepare_update(&self, object: &mut Value, old: &Value, context: &Context<'_>) {
        if context.subresource.is_empty() {
            update::keep_allocated(object, old);
        }
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        validate::service(object)
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        validate::change(object, old)
    }
    fn validate_name(&self, name: &str) -> Result<(), String> {
        names::dns_1035_label(name)
    }
}

/// Whether a Service of this spec has a cluster IP (headless ones have `None` in its place).
fn wants_cluster_ip(spec: &Value) -> bool {
    matches!(crate::json::text(&spec["type"]), "ClusterIP" | "NodePort" | "LoadBalancer")
}

/// Whether a Service of this spec has node ports.
fn wants_node_ports(spec: &Value) -> bool {
    match crate::json::text(&spec["type"]) {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != json!(false),
        _ => false,
    }
}

/// Whether balancers ask the nodes of such a Service whether they serve it.
fn has_health_check(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

/// Whether a Service of this spec is without a cluster IP by wish.
fn is_headless(spec: &Value) -> bool {
    spec["clusterIP"] == "None" || spec["clusterIPs"][0] == "None"
}
