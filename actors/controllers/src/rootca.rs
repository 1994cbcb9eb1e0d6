//! Every active namespace has the cluster's CA certificate in ConfigMap `kube-root-ca.crt`.

use crate::{Controller, Ids, Plan, View, resource, write};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;

const NAME: &str = "kube-root-ca.crt";
const FIELD: &str = "ca.crt";
const ABOUT: &str = "kubernetes.io/description";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
    endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
    distributions of Kubernetes clusters.";

/// The publisher of the root CA; its keys are namespaces.
pub struct RootCaController {
    /// The CA certificate, PEM.
    ca: String,
}

impl RootCaController {
    /// Publishes that certificate (PEM).
    pub fn new(ca: impl Into<String>) -> Self {
        Self { ca: ca.into() }
    }
}

impl Controller for RootCaController {
    fn name(&self) -> &'static str {
        "rootca"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::NAMESPACES, resource::CONFIG_MAPS]
    }
    fn keys(&self, _view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        match resource {
            resource::NAMESPACES => vec![key.clone()],
            resource::CONFIG_MAPS if key.name == NAME => vec![Key::new("", key.namespace.as_str())],
            _ => Vec::new(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.namespaces.all().map(|namespace| namespace.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let mut plan = Plan::default();
        if view.namespaces.get(key).is_none_or(|namespace| namespace.deleting()) {
            return plan;
        }
        match view.header(resource::CONFIG_MAPS, &Key::new(key.name.as_str(), NAME)) {
            None => plan.writes.push(write::create(
                resource::CONFIG_MAPS,
                json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": NAME, "namespace": key.name, "annotations": {ABOUT: DESCRIPTION}},
                    "data": {FIELD: self.ca}}),
            )),
            Some(header) => {
                let current = header.object.value();
                if let Some(data) = write::difference(&current["data"], &json!({FIELD: self.ca})) {
                    plan.writes.push(write::patch_header(header, json!({"data": data})));
                }
            }
        }
        plan
    }
}
