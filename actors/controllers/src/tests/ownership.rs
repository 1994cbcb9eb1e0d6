//! Namespaces, garbage collection, and what every namespace is given.

use crate::{
    eventttl::EventTtlController, garbagecollector::GarbageCollector, model::Model, namespace::NamespaceController,
    resource, rootca::RootCaController, serviceaccount::ServiceAccountController,
};
use podium_machinery::state::Change;
use serde_json::{Value, json};

fn config_map(model: &mut Model, name: &str, owner: Option<&str>, finalizers: Value) {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "finalizers": finalizers}});
    if let Some(owner) = owner {
        let uid = model.get(resource::CONFIG_MAPS, "default", owner).unwrap()["metadata"]["uid"].clone();
        object["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "blockOwnerDeletion": true}]);
    }
    model.create(resource::CONFIG_MAPS, object);
}

fn names(model: &Model) -> Vec<String> {
    model.list(resource::CONFIG_MAPS).iter().map(|o| podium_types::meta::name(o).to_owned()).collect()
}

#[test]
fn dependents_follow_their_owner() {
    let mut model = Model::new(1);
    config_map(&mut model, "owner", None, json!([]));
    config_map(&mut model, "child", Some("owner"), json!([]));
    config_map(&mut model, "grandchild", Some("child"), json!([]));
    model.advance(10);
    assert_eq!(model.run(&GarbageCollector, || false), 0);
    model.delete(resource::CONFIG_MAPS, "default", "owner");
    while model.run(&GarbageCollector, || false) > 0 {}
    assert_eq!(names(&model), Vec::<String>::new());
}

#[test]
fn in_the_foreground_the_owner_goes_last() {
    let mut model = Model::new(1);
    config_map(&mut model, "owner", None, json!(["foregroundDeletion"]));
    config_map(&mut model, "child", Some("owner"), json!(["example.com/hold"]));
    model.advance(10);
    model.delete(resource::CONFIG_MAPS, "default", "owner");
    model.run(&GarbageCollector, || false);
    model.run(&GarbageCollector, || false);
    assert_eq!(names(&model), ["child", "owner"], "the child is held, so the owner waits");
    let mut child = model.get(resource::CONFIG_MAPS, "default", "child").unwrap();
    assert!(podium_types::meta::is_deleting(&child));
    child["metadata"]["finalizers"] = json!([]);
    model.put(resource::CONFIG_MAPS, child, Change::Deleted);
    model.run(&GarbageCollector, || false);
    assert_eq!(names(&model), Vec::<String>::new());
}

#[test]
fn orphans_lose_their_owner_and_stay() {
    let mut model = Model::new(1);
    config_map(&mut model, "owner", None, json!(["orphan"]));
    config_map(&mut model, "child", Some("owner"), json!([]));
    model.advance(10);
    model.delete(resource::CONFIG_MAPS, "default", "owner");
    model.run(&GarbageCollector, || false);
    let child = model.get(resource::CONFIG_MAPS, "default", "child").unwrap();
    assert!(child["metadata"]["ownerReferences"].is_null());
    assert_eq!(names(&model), ["child"], "the owner is gone");
}

#[test]
fn namespaces_are_furnished_and_emptied() {
    let mut model = Model::new(1);
    model.create(
        resource::NAMESPACES,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
    );
    let ca = RootCaController::new("PEM");
    for _ in 0..2 {
        model.run(&ServiceAccountController, || false);
        model.run(&ca, || false);
    }
    assert!(model.get(resource::SERVICE_ACCOUNTS, "team", "default").is_some());
    assert_eq!(model.get(resource::CONFIG_MAPS, "team", "kube-root-ca.crt").unwrap()["data"]["ca.crt"], "PEM");
    assert_eq!(model.run(&NamespaceController, || false), 0);

    let mut team = model.get(resource::NAMESPACES, "", "team").unwrap();
    team["metadata"]["deletionTimestamp"] = json!("2023-11-14T22:13:20Z");
    model.put(resource::NAMESPACES, team, Change::Modified);
    for _ in 0..3 {
        model.run(&NamespaceController, || false);
        assert_eq!(model.run(&ServiceAccountController, || false) + model.run(&ca, || false), 0);
    }
    assert!(model.get(resource::CONFIG_MAPS, "team", "kube-root-ca.crt").is_none());
    let team = model.get(resource::NAMESPACES, "", "team").unwrap();
    assert_eq!((&team["spec"]["finalizers"], &team["status"]["phase"]), (&json!([]), &json!("Terminating")));
}

#[test]
fn events_are_kept_for_an_hour() {
    let mut model = Model::new(1);
    model.create(
        resource::EVENTS,
        json!({"apiVersion": "v1", "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"}}),
    );
    model.advance(crate::eventttl::TTL_SECONDS - 1);
    assert_eq!(model.run(&EventTtlController, || false), 0);
    model.advance(1);
    assert_eq!(model.run(&EventTtlController, || false), 1);
}
