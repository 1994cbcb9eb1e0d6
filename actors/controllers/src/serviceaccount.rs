//! Every active namespace has a ServiceAccount `default`.

use crate::{Controller, Ids, Plan, View, resource, write};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;

const NAME: &str = "default";

/// The controller of default ServiceAccounts; its keys are namespaces.
pub struct ServiceAccountController;

impl Controller for ServiceAccountController {
    fn name(&self) -> &'static str {
        "serviceaccount"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::NAMESPACES, resource::SERVICE_ACCOUNTS]
    }
    fn keys(&self, _view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        match resource {
            resource::NAMESPACES => vec![key.clone()],
            resource::SERVICE_ACCOUNTS if key.name == NAME => vec![Key::new("", key.namespace.as_str())],
            _ => Vec::new(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.namespaces.all().map(|namespace| namespace.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let mut plan = Plan::default();
        let active = view.namespaces.get(key).is_some_and(|namespace| !namespace.deleting());
        if active && view.service_accounts.get(&Key::new(key.name.as_str(), NAME)).is_none() {
            plan.writes.push(write::create(
                resource::SERVICE_ACCOUNTS,
                json!({"apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": {"name": NAME, "namespace": key.name}}),
            ));
        }
        plan
    }
}
