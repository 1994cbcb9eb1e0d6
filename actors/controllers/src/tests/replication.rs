//! ReplicationControllers, and what a large ReplicaSet costs.

use super::harness::{crash, rest};
use crate::{
    Controller,
    model::Model,
    replicaset::{ReplicaSetController, ReplicationController},
    resource,
};
use podium_machinery::state::{Change, Event};
use serde_json::{Value, json};

fn spec(replicas: i32, selector: Value) -> Value {
    json!({"replicas": replicas, "selector": selector, "template": {"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "v1"}]}}})
}

fn replica_set(model: &mut Model, replicas: i32) {
    let spec = spec(replicas, json!({"matchLabels": {"app": "web"}}));
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "default"}, "spec": spec});
    model.create(resource::REPLICA_SETS, set);
}

#[test]
fn replication_controllers_do_as_replica_sets() {
    let mut model = Model::new(1);
    let object = json!({"apiVersion": "v1", "kind": "ReplicationController",
        "metadata": {"name": "web", "namespace": "default"}, "spec": spec(2, json!({"app": "web"}))});
    model.create(resource::REPLICATION_CONTROLLERS, object);
    rest(&mut model, &[&ReplicationController]);
    let status =
        |model: &Model| model.get(resource::REPLICATION_CONTROLLERS, "default", "web").unwrap()["status"].clone();
    assert_eq!(status(&model)["availableReplicas"], 2);
    let pod = model.list(resource::PODS).remove(0);
    assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicationController");
    let name = podium_types::meta::name(&pod).to_owned();
    model.patch(resource::PODS, "default", &name, &json!({"metadata": {"labels": {"app": "freed"}}}));
    rest(&mut model, &[&ReplicationController]);
    assert_eq!(model.list(resource::PODS).len(), 3, "one was released and replaced");
    model.patch(resource::REPLICATION_CONTROLLERS, "default", "web", &json!({"spec": {"replicas": 0}}));
    rest(&mut model, &[&ReplicationController]);
    assert_eq!(model.list(resource::PODS).len(), 1);
    assert_eq!(status(&model)["replicas"], 0);
}

#[test]
fn a_crash_after_any_write_leads_to_the_same_end() {
    let run = |at: usize| {
        let mut model = Model::new(1);
        model.lingering = true;
        replica_set(&mut model, 4);
        let writes = crash(at, |go| {
            go(&mut model, &[&ReplicaSetController]);
            model.patch(resource::REPLICA_SETS, "default", "web", &json!({"spec": {"replicas": 2}}));
            go(&mut model, &[&ReplicaSetController]);
        });
        let status = model.get(resource::REPLICA_SETS, "default", "web").unwrap()["status"].clone();
        (writes, (model.ready_pods(), model.list(resource::PODS).len(), status))
    };
    let (writes, expected) = run(usize::MAX);
    for at in 0..writes {
        assert_eq!(run(at).1, expected, "killed after write {at}");
    }
}

/// A thousand pods: two decisions make them, and of all that then happens to a pod only what
/// a status counts wakes the set.
#[test]
fn a_thousand_pods_take_few_decisions() {
    let mut model = Model::new(1);
    replica_set(&mut model, 1000);
    let mut decisions = 0;
    while model.list(resource::PODS).len() < 1000 {
        model.run(&ReplicaSetController, || false);
        decisions += 1;
    }
    assert_eq!(decisions, 2);
    let pod = model.list(resource::PODS).remove(0);
    let name = podium_types::meta::name(&pod).to_owned();
    let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    for (patch, wakes) in [
        (json!({"spec": {"nodeName": "n1"}}), false),
        (json!({"status": {"phase": "Running", "podIP": "10.0.0.1"}}), false),
        (json!({"status": {"conditions": ready}}), true),
        (json!({"status": {"hostIP": "10.0.0.2"}}), false),
        (json!({"metadata": {"labels": {"app": "other"}}}), true),
    ] {
        let key = podium_types::Key::new("default", name.as_str());
        let before = model.view.pods.get(&key).unwrap().object.clone();
        model.patch(resource::PODS, "default", &name, &patch);
        let now = model.view.pods.get(&key).unwrap().object.clone();
        let event = Event::new(Change::Modified, now.revision, now, Some(before));
        let keys = ReplicaSetController.keys(&model.view, resource::PODS, &event);
        assert_eq!(!keys.is_empty(), wakes, "{patch}");
    }
}
