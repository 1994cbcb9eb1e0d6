//! Budgets, quotas and aggregated roles: what they say follows from what there is.

use super::harness::rest;
use crate::{
    Controller, aggregation::AggregationController, disruption::DisruptionController, model::Model,
    replicaset::ReplicaSetController, resource, resourcequota::ResourceQuotaController,
};
use serde_json::{Value, json};

const PODS: &[&dyn Controller] = &[&ReplicaSetController, &DisruptionController, &ResourceQuotaController];

fn replica_set(model: &mut Model, replicas: i32) {
    let container = json!({"name": "c", "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template":
            {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}}});
    model.create(resource::REPLICA_SETS, set);
}

fn status(model: &Model, resource: &str, name: &str) -> Value {
    model.get(resource, "default", name).unwrap()["status"].clone()
}

#[test]
fn budgets_allow_what_is_beyond_the_least() {
    for (bound, value, expected) in [
        ("minAvailable", json!(3), (5, 3, 2)),
        ("minAvailable", json!("50%"), (5, 3, 2)),
        ("minAvailable", json!(9), (5, 9, 0)),
        ("maxUnavailable", json!(1), (5, 4, 1)),
        ("maxUnavailable", json!("30%"), (5, 3, 2)),
        ("maxUnavailable", json!(0), (5, 5, 0)),
    ] {
        let mut model = Model::new(1);
        replica_set(&mut model, 5);
        let mut spec = json!({"selector": {"matchLabels": {"app": "web"}}});
        spec[bound] = value.clone();
        let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        model.create(resource::BUDGETS, budget);
        rest(&mut model, PODS);
        let now = status(&model, resource::BUDGETS, "web");
        let numbers = ["expectedPods", "desiredHealthy", "disruptionsAllowed"].map(|name| now[name].as_i64().unwrap());
        assert_eq!((numbers[0], numbers[1], numbers[2]), expected, "{bound} {value}");
        let reason = if expected.2 > 0 { "SufficientPods" } else { "InsufficientPods" };
        assert_eq!(now["conditions"][0]["reason"], reason);
        // An eviction that was granted counts at once, until it is clear that nothing comes of it.
        let pod = podium_types::meta::name(&model.list(resource::PODS)[0]).to_owned();
        let left = (expected.2 - 1).max(0);
        let noted = json!({"status": {"disruptionsAllowed": left, "disruptedPods": {pod: model.now.to_string()}}});
        model.patch(resource::BUDGETS, "default", "web", &noted);
        model.run(&DisruptionController, || false);
        assert_eq!(status(&model, resource::BUDGETS, "web")["disruptionsAllowed"], left);
        model.advance(121);
        rest(&mut model, PODS);
        assert_eq!(status(&model, resource::BUDGETS, "web")["disruptionsAllowed"], expected.2);
    }
}

#[test]
fn a_share_of_pods_of_unknown_size_allows_nothing() {
    let mut model = Model::new(1);
    let owner = json!([{"apiVersion": "example.com/v1", "kind": "Other", "name": "o", "uid": "1", "controller": true}]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default",
        "ownerReferences": owner}, "spec": {"containers": []}});
    model.create(resource::PODS, pod);
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "all", "namespace": "default"}, "spec": {"selector": {}, "maxUnavailable": 1}});
    model.create(resource::BUDGETS, budget);
    rest(&mut model, PODS);
    let now = status(&model, resource::BUDGETS, "all");
    assert_eq!((&now["disruptionsAllowed"], &now["conditions"][0]["reason"]), (&json!(0), &json!("SyncFailed")));
}

#[test]
fn quotas_add_up_what_is_there() {
    let mut model = Model::new(1);
    replica_set(&mut model, 3);
    let hard = json!({"pods": "10", "count/pods": "10", "requests.cpu": "2", "limits.memory": "8Gi", "count/replicasets.apps": "5",
        "configmaps": "5", "services.nodeports": "4", "requests.storage": "10Gi", "example.com/unknown": "1"});
    for (name, scopes) in [("all", json!([])), ("busy", json!(["NotBestEffort"])), ("idle", json!(["BestEffort"]))] {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name, "namespace": "default"},
            "spec": {"hard": hard, "scopes": scopes}});
        model.create(resource::QUOTAS, quota);
    }
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "default"},
        "spec": {"resources": {"requests": {"storage": "3Gi"}}}});
    model.create(resource::CLAIMS, claim);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "default"},
        "spec": {"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]}});
    model.create(resource::SERVICES, service);
    rest(&mut model, PODS);
    let pod = podium_types::meta::name(&model.list(resource::PODS)[0]).to_owned();
    let quota = model.get(resource::QUOTAS, "default", "all").unwrap();
    assert_eq!(
        quota["status"]["used"],
        json!({"pods": "3", "count/pods": "3", "requests.cpu": "750m", "limits.memory": "3Gi",
        "count/replicasets.apps": "1", "configmaps": "0", "services.nodeports": "2", "requests.storage": "3Gi"})
    );
    assert_eq!(status(&model, resource::QUOTAS, "busy")["used"]["pods"], "3");
    assert_eq!(status(&model, resource::QUOTAS, "idle")["used"]["pods"], "0");
    // One that has ended only takes up its place; another comes instead of it.
    model.patch(resource::PODS, "default", &pod, &json!({"status": {"phase": "Succeeded"}}));
    rest(&mut model, PODS);
    let used = status(&model, resource::QUOTAS, "all")["used"].clone();
    assert_eq!((&used["pods"], &used["count/pods"]), (&json!("3"), &json!("4")));
}

#[test]
fn roles_are_made_of_those_with_the_label() {
    let mut model = Model::new(1);
    let role = |name: &str, verb: &str, labels: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "labels": labels}, "rules": [{"verbs": [verb]}]})
    };
    let mut all = role("all", "x", json!({}));
    all["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"part": "all"}}]});
    all["rules"] = json!([]);
    model.create(resource::CLUSTER_ROLES, all);
    model.create(resource::CLUSTER_ROLES, role("a", "get", json!({"part": "all"})));
    model.create(resource::CLUSTER_ROLES, role("b", "list", json!({"part": "all"})));
    model.create(resource::CLUSTER_ROLES, role("c", "get", json!({"part": "all"})));
    model.create(resource::CLUSTER_ROLES, role("d", "watch", json!({})));
    rest(&mut model, &[&AggregationController]);
    let rules = |model: &Model| model.get(resource::CLUSTER_ROLES, "", "all").unwrap()["rules"].clone();
    assert_eq!(rules(&model), json!([{"verbs": ["get"]}, {"verbs": ["list"]}]));
    model.delete(resource::CLUSTER_ROLES, "", "b");
    rest(&mut model, &[&AggregationController]);
    assert_eq!(rules(&model), json!([{"verbs": ["get"]}]));
}
