//! Fills the rules of ClusterRoles that are made of others, by their labels.

use crate::{Controller, Ids, Plan, PlannedWrite, View, resource, selector, view::Header};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};

/// The controller of aggregated ClusterRoles.
pub struct AggregationController;

impl Controller for AggregationController {
    fn name(&self) -> &'static str {
        "clusterroleaggregation"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::CLUSTER_ROLES]
    }
    fn keys(&self, view: &View, _resource: &str, _event: &Event) -> Vec<Key> {
        self.all_keys(view)
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        let roles = view.of_kind(resource::CLUSTER_ROLES);
        roles.filter(|role| !selectors(&role.object.value()).is_empty()).map(|role| role.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(role) = view.header(resource::CLUSTER_ROLES, key).filter(|role| !role.deleting) else {
            return Plan::default();
        };
        let own = role.object.value();
        let selectors = selectors(&own);
        if selectors.is_empty() {
            return Plan::default();
        }
        let chosen = |other: &&std::sync::Arc<Header>| {
            other.key() != key && selectors.iter().any(|s| selector::matches(s, &other.object.labels))
        };
        let mut rules: Vec<Value> = Vec::new();
        for other in view.of_kind(resource::CLUSTER_ROLES).filter(chosen) {
            for rule in other.object.value()["rules"].as_array().into_iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
        if own["rules"].as_array().map(Vec::as_slice).unwrap_or_default() == rules {
            return Plan::default();
        }
        let note = format!("{} rules of others", rules.len());
        let write = PlannedWrite::Patch {
            resource: resource::CLUSTER_ROLES,
            subresource: "",
            key: key.clone(),
            uid: role.object.uid.clone(),
            revision: Some(role.object.revision),
            patch: json!({ "rules": rules }),
        };
        Plan { writes: vec![write], note, ..Plan::default() }
    }
}

/// Which roles a role is made of.
fn selectors(role: &Value) -> Vec<LabelSelector> {
    let list = role["aggregationRule"]["clusterRoleSelectors"].as_array();
    list.into_iter().flatten().filter_map(|selector| serde_json::from_value(selector.clone()).ok()).collect()
}
