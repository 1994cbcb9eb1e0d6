//! Pod: containers that live and die together on one node.

mod columns;
mod defaults;
mod qos;
mod resize;
mod status;
mod update;
mod validate;

use crate::{
    Column, Context, Kind, Strategy, Subresource,
    json::{at, items, plain, set, text},
    kind::ALL_VERBS,
};
use columns::row;
use podium_types::FieldError;
use serde_json::{Value, json};

pub(crate) use defaults::pod_spec as default_spec;
pub use qos::qos_class;
pub(crate) use validate::{node_selector, template as validate_template, warnings as spec_warnings};

/// Grace of a pod that names none, in seconds.
pub const DEFAULT_GRACE_SECONDS: i64 = 30;

/// core/v1 Pod.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "Pod",
    list_kind: "PodList",
    plural: "pods",
    singular: "pod",
    short_names: &["po"],
    categories: &["all"],
    namespaced: true,
    resource: "pods",
    schema: "io.k8s.api.core.v1.Pod",
    verbs: ALL_VERBS,
    subresources: &[
        Subresource::action("attach", "PodAttachOptions", &["create", "get"]),
        Subresource::action("binding", "Binding", &["create"]),
        Subresource::part("ephemeralcontainers", "Pod"),
        Subresource::action("eviction", "Eviction", &["create"]).of_group("policy", "v1"),
        Subresource::action("exec", "PodExecOptions", &["create", "get"]),
        Subresource::action("log", "Pod", &["get"]),
        Subresource::action("portforward", "PodPortForwardOptions", &["create", "get"]),
        Subresource::proxy("PodProxyOptions"),
        Subresource::part("resize", "Pod"),
        Subresource::part("status", "Pod"),
    ],
    columns: &[
        Column::NAME,
        Column::text("Ready"),
        Column::text("Status"),
        Column::text("Restarts"),
        Column::AGE,
        Column::text("IP").wide(),
        Column::text("Node").wide(),
        Column::text("Nominated Node").wide(),
        Column::text("Readiness Gates").wide(),
    ],
    row,
    selectable: &[
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ],
    select: Some(select),
    generation: true,
    graceful: Some(grace),
    sealed: false,
    live: false,
    strategy: &Pod,
};

struct Pod;

impl Strategy for Pod {
    fn default(&self, object: &mut Value) {
        defaults::pod(object);
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        let class = qos_class(object);
        set(object, "status", json!({"phase": "Pending", "qosClass": class}));
    }

    fn prepare_update(&self, object: &mut Value, old: &Value, context: &Context<'_>) {
        update::prepare(object, old, context.subresource);
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        validate::pod(object)
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        validate::created(object)
    }

    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        update::validate(object, old, context.subresource)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        spec_warnings(&object["spec"], "spec")
    }
}

/// A pod that never ran, or no longer does, needs no time to end.
fn grace(object: &Value) -> i64 {
    let unscheduled = text(at(object, "spec.nodeName")).is_empty();
    let finished = matches!(text(at(object, "status.phase")), "Succeeded" | "Failed");
    if unscheduled || finished {
        return 0;
    }
    let seconds = at(object, "spec.terminationGracePeriodSeconds").as_i64().unwrap_or(DEFAULT_GRACE_SECONDS);
    // A negative period, allowed in old objects, means one second.
    if seconds < 0 { 1 } else { seconds }
}

fn select(object: &Value, field: &str) -> String {
    match field {
        "spec.hostNetwork" => (at(object, field) == &json!(true)).to_string(),
        "status.podIP" => match plain(at(object, field)) {
            ip if ip.is_empty() => plain(&at(object, "status.podIPs")[0]["ip"]),
            ip => ip,
        },
        "status.podIPs" => {
            let ips: Vec<&str> = items(at(object, field)).iter().map(|ip| text(&ip["ip"])).collect();
            ips.join(",")
        }
        _ => plain(at(object, field)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grace_depends_on_the_state() {
        let pod = |node: &str, phase: &str, grace: Value| {
            let spec = json!({"nodeName": node, "terminationGracePeriodSeconds": grace});
            json!({"spec": spec, "status": {"phase": phase}})
        };
        let cases = [
            (pod("", "Pending", json!(30)), 0),
            (pod("n", "Pending", json!(5)), 5),
            (pod("n", "Running", json!(null)), 30),
            (pod("n", "Succeeded", json!(30)), 0),
            (pod("n", "Running", json!(-7)), 1),
        ];
        for (pod, seconds) in cases {
            assert_eq!(grace(&pod), seconds, "{pod}");
        }
    }

    #[test]
    fn selectable_fields() {
        let pod = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"},
            "status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "::1"}]}});
        let cases = [
            ("metadata.name", Some("a")),
            ("spec.nodeName", Some("n")),
            ("spec.hostNetwork", Some("false")),
            ("status.podIP", Some("10.0.0.1")),
            ("status.podIPs", Some("10.0.0.1,::1")),
            ("status.phase", Some("")),
            ("spec.priority", None),
        ];
        for (field, value) in cases {
            assert_eq!(KIND.field(&pod, field).as_deref(), value, "{field}");
        }
    }
}
