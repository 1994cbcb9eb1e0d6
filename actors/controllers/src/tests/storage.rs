//! Claims and volumes find each other, part again, and hold each other while in use.

use super::harness::{rest, settle};
use crate::{
    Controller, Ids,
    model::Model,
    resource,
    storage::{BinderController, ClaimProtection, EphemeralController, VolumeProtection},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const STORAGE: &[&dyn Controller] = &[&BinderController, &ClaimProtection, &VolumeProtection, &EphemeralController];

fn volume(model: &mut Model, name: &str, size: &str, extra: Value) {
    let mut spec = json!({"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/data"}});
    with(&mut spec, &extra);
    model.create(
        resource::VOLUMES,
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}),
    );
}

fn claim(model: &mut Model, name: &str, size: &str, extra: Value) {
    let mut spec =
        json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": size}}});
    with(&mut spec, &extra);
    let metadata = json!({"name": name, "namespace": "default"});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec});
    model.create(resource::CLAIMS, claim);
}

/// Puts the members of `extra` into `spec`; null takes one away.
fn with(spec: &mut Value, extra: &Value) {
    for (name, value) in extra.as_object().unwrap() {
        match value {
            Value::Null => drop(spec.as_object_mut().unwrap().remove(name)),
            value => spec[name] = value.clone(),
        }
    }
}

fn of_claim(model: &Model, name: &str) -> (String, String) {
    let claim = model.get(resource::CLAIMS, "default", name).unwrap();
    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (part(&claim["spec"]["volumeName"]), part(&claim["status"]["phase"]))
}

fn phase(model: &Model, name: &str) -> String {
    model.get(resource::VOLUMES, "", name).unwrap()["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

fn pair(name: &str, phase: &str) -> (String, String) {
    (name.to_owned(), phase.to_owned())
}

/// The reason of the event that a decision about a claim tells.
fn reason(model: &mut Model, name: &str) -> Option<&'static str> {
    let key = podium_types::Key::new("default", name);
    let plan = BinderController.decide(&model.view, &key, model.now, &mut model.ids);
    plan.events.first().map(|event| event.reason)
}

#[test]
fn a_claim_gets_the_smallest_volume_that_suits() {
    let mut model = Model::new(1);
    volume(&mut model, "large", "10Gi", json!({}));
    volume(&mut model, "small", "1Gi", json!({}));
    volume(&mut model, "medium", "5Gi", json!({}));
    volume(&mut model, "classy", "5Gi", json!({"storageClassName": "fast"}));
    claim(&mut model, "a", "2Gi", json!({}));
    claim(&mut model, "b", "2Gi", json!({}));
    claim(&mut model, "c", "2Gi", json!({}));
    rest(&mut model, STORAGE);
    assert_eq!(of_claim(&model, "a"), pair("medium", "Bound"));
    assert_eq!(of_claim(&model, "b"), pair("large", "Bound"));
    assert_eq!(of_claim(&model, "c").0, "");
    assert_eq!(reason(&mut model, "c"), Some("FailedBinding"));
    let phases = ["small", "medium", "large", "classy"].map(|name| phase(&model, name));
    assert_eq!(phases, ["Available", "Bound", "Bound", "Available"]);
    let bound = model.get(resource::CLAIMS, "default", "a").unwrap();
    assert_eq!(bound["status"]["capacity"], json!({"storage": "5Gi"}));
    assert_eq!(bound["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"], "yes");
}

#[test]
fn a_reserved_volume_waits_for_its_claim() {
    let mut model = Model::new(2);
    volume(&mut model, "mine", "1Gi", json!({"claimRef": {"namespace": "default", "name": "a"}}));
    rest(&mut model, STORAGE);
    assert_eq!(phase(&model, "mine"), "Available");
    claim(&mut model, "b", "1Gi", json!({}));
    claim(&mut model, "wants", "1Gi", json!({"volumeName": "mine"}));
    rest(&mut model, STORAGE);
    assert_eq!((of_claim(&model, "b").0.as_str(), reason(&mut model, "wants")), ("", Some("FailedBinding")));
    claim(&mut model, "a", "1Gi", json!({}));
    rest(&mut model, STORAGE);
    assert_eq!(of_claim(&model, "a"), pair("mine", "Bound"));
}

#[test]
fn a_claim_that_names_a_volume_gets_no_other() {
    let mut model = Model::new(3);
    volume(&mut model, "small", "1Gi", json!({}));
    volume(&mut model, "large", "9Gi", json!({}));
    claim(&mut model, "a", "2Gi", json!({"volumeName": "small"}));
    claim(&mut model, "b", "2Gi", json!({"volumeName": "large"}));
    claim(&mut model, "c", "2Gi", json!({"volumeName": "none"}));
    rest(&mut model, STORAGE);
    assert_eq!(reason(&mut model, "a"), Some("VolumeMismatch"));
    assert_eq!(of_claim(&model, "b"), pair("large", "Bound"));
    assert_eq!((of_claim(&model, "c").1.as_str(), reason(&mut model, "c")), ("", None));
}

#[test]
fn what_becomes_of_a_volume_follows_its_policy() {
    for (policy, annotation, expected) in [
        ("Retain", None, "Released"),
        ("Delete", None, "Failed"),
        ("Delete", Some("csi.example.com"), "Released"),
        ("Recycle", None, "Failed"),
    ] {
        let mut model = Model::new(4);
        volume(&mut model, "v", "1Gi", json!({"persistentVolumeReclaimPolicy": policy}));
        if let Some(driver) = annotation {
            let patch = json!({"metadata": {"annotations": {"pv.kubernetes.io/provisioned-by": driver}}});
            model.patch(resource::VOLUMES, "", "v", &patch);
        }
        claim(&mut model, "a", "1Gi", json!({}));
        rest(&mut model, STORAGE);
        model.delete(resource::CLAIMS, "default", "a");
        rest(&mut model, STORAGE);
        assert_eq!(model.get(resource::CLAIMS, "default", "a"), None);
        assert_eq!(phase(&model, "v"), expected, "{policy}");
        // Another claim does not get it.
        claim(&mut model, "a", "1Gi", json!({}));
        rest(&mut model, STORAGE);
        assert_eq!(of_claim(&model, "a").0, "");
    }
}

#[test]
fn a_claim_whose_volume_is_gone_is_lost() {
    let mut model = Model::new(5);
    volume(&mut model, "v", "1Gi", json!({}));
    claim(&mut model, "a", "1Gi", json!({}));
    rest(&mut model, STORAGE);
    // By force: the finalizer would have kept it.
    model.patch(resource::VOLUMES, "", "v", &json!({"metadata": {"finalizers": null}}));
    model.delete(resource::VOLUMES, "", "v");
    rest(&mut model, STORAGE);
    assert_eq!(of_claim(&model, "a"), pair("v", "Lost"));
}

#[test]
fn claims_wait_for_a_consumer_where_the_class_says_so() {
    let mut model = Model::new(6);
    let class = |mode: &str, provisioner: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "c"},
            "provisioner": provisioner, "volumeBindingMode": mode})
    };
    model.create(resource::STORAGE_CLASSES, class("WaitForFirstConsumer", "kubernetes.io/no-provisioner"));
    for node in ["n1", "n2"] {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {"host": node}}});
        model.create(resource::NODES, node);
    }
    for node in ["n1", "n2"] {
        let on = json!({"required": {"nodeSelectorTerms": [{"matchExpressions":
            [{"key": "host", "operator": "In", "values": [node]}]}]}});
        volume(&mut model, node, "1Gi", json!({"storageClassName": "c", "nodeAffinity": on}));
    }
    claim(&mut model, "a", "1Gi", json!({"storageClassName": "c"}));
    rest(&mut model, STORAGE);
    assert_eq!((of_claim(&model, "a").0.as_str(), reason(&mut model, "a")), ("", Some("WaitForFirstConsumer")));
    let select = json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n2"}}});
    model.patch(resource::CLAIMS, "default", "a", &select);
    rest(&mut model, STORAGE);
    assert_eq!(of_claim(&model, "a"), pair("n2", "Bound"));
    // The node's only volume is taken: the scheduler is to choose again.
    claim(&mut model, "b", "1Gi", json!({"storageClassName": "c"}));
    model.patch(resource::CLAIMS, "default", "b", &select);
    rest(&mut model, STORAGE);
    let b = model.get(resource::CLAIMS, "default", "b").unwrap();
    assert_eq!(b["metadata"]["annotations"].get("volume.kubernetes.io/selected-node"), None);
}

#[test]
fn provisioners_and_default_classes_are_told() {
    let mut model = Model::new(7);
    claim(&mut model, "a", "1Gi", json!({"storageClassName": null}));
    claim(&mut model, "b", "1Gi", json!({"storageClassName": "absent"}));
    rest(&mut model, STORAGE);
    assert_eq!(reason(&mut model, "b"), Some("ProvisioningFailed"));
    let metadata = json!({"name": "c", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}});
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata,
        "provisioner": "csi.example.com"});
    model.create(resource::STORAGE_CLASSES, class);
    rest(&mut model, STORAGE);
    assert_eq!(reason(&mut model, "a"), Some("ExternalProvisioning"));
    let a = model.get(resource::CLAIMS, "default", "a").unwrap();
    assert_eq!(a["spec"]["storageClassName"], "c");
    assert_eq!(a["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"], "csi.example.com");
}

#[test]
fn what_is_in_use_stays() {
    let mut model = Model::new(8);
    volume(&mut model, "v", "1Gi", json!({}));
    claim(&mut model, "a", "1Gi", json!({}));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "n", "containers": [],
            "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "a"}}]}});
    model.create(resource::PODS, pod);
    rest(&mut model, STORAGE);
    model.delete(resource::VOLUMES, "", "v");
    model.delete(resource::CLAIMS, "default", "a");
    rest(&mut model, STORAGE);
    assert_eq!((of_claim(&model, "a").1.as_str(), phase(&model, "v").as_str()), ("Bound", "Bound"));
    model.patch(resource::PODS, "default", "p", &json!({"status": {"phase": "Succeeded"}}));
    rest(&mut model, STORAGE);
    assert_eq!(model.get(resource::CLAIMS, "default", "a"), None);
    assert_eq!(model.get(resource::VOLUMES, "", "v"), None);
}

#[test]
fn a_pods_own_claims_are_made_for_it() {
    let mut model = Model::new(9);
    volume(&mut model, "v", "1Gi", json!({}));
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"],
        "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [], "volumes": [{"name": "d", "ephemeral": {"volumeClaimTemplate": template}}]}});
    model.create(resource::PODS, pod);
    rest(&mut model, STORAGE);
    assert_eq!(of_claim(&model, "p-d"), pair("v", "Bound"));
    let made = model.get(resource::CLAIMS, "default", "p-d").unwrap();
    assert_eq!(
        (&made["metadata"]["labels"]["a"], &made["metadata"]["ownerReferences"][0]["name"]),
        (&json!("b"), &json!("p"))
    );
}

proptest! {
    /// Whatever is refused and in whatever order things come: nothing is bound twice, and all comes to rest.
    #[test]
    fn nothing_is_bound_twice(sizes in proptest::collection::vec(1..5, 1..5), wishes in proptest::collection::vec(1..5, 1..6), seed: u64) {
        let mut model = Model::new(seed);
        let mut dice = Ids::new(seed);
        for (i, size) in sizes.iter().enumerate() {
            volume(&mut model, &format!("v{i}"), &format!("{size}Gi"), json!({}));
        }
        for (i, size) in wishes.iter().enumerate() {
            claim(&mut model, &format!("c{i}"), &format!("{size}Gi"), json!({}));
        }
        let once = |model: &Model| {
            let mut bound: Vec<String> = (0..wishes.len()).map(|i| of_claim(model, &format!("c{i}")).0).collect();
            bound.retain(|name| !name.is_empty());
            bound.sort();
            let count = bound.len();
            bound.dedup();
            assert_eq!(bound.len(), count);
        };
        let events_only = |model: &mut Model| {
            let plans = STORAGE.iter().flat_map(|c| c.all_keys(&model.view).into_iter().map(move |key| (c, key)));
            let writes: usize =
                plans.map(|(c, key)| c.decide(&model.view, &key, model.now, &mut Ids::new(1)).writes.len()).sum();
            assert_eq!(writes, 0);
        };
        prop_assert!(settle(&mut model, STORAGE, &mut dice, |_, _| 0, once));
        events_only(&mut model);
        let bound = (0..wishes.len()).filter(|i| of_claim(&model, &format!("c{i}")).1 == "Bound").count();
        let mut free: Vec<_> = sizes.clone();
        let mut asked = wishes.clone();
        free.sort_unstable();
        asked.sort_unstable();
        // At least one claim is served where any can be.
        prop_assert_eq!(bound == 0, asked.first() > free.last());
    }
}

#[test]
fn a_crash_after_any_write_leads_to_the_same_end() {
    super::crashes::same_end(
        12,
        |model, go| {
            volume(model, "small", "1Gi", json!({}));
            volume(model, "large", "5Gi", json!({}));
            claim(model, "one", "1Gi", json!({}));
            claim(model, "two", "1Gi", json!({}));
            go(model, STORAGE);
            model.delete(resource::CLAIMS, "default", "one");
            go(model, STORAGE);
        },
        |model| {
            // Which claim is first to choose is nobody's promise.
            let mut volumes = ["small", "large"].map(|name| phase(model, name));
            volumes.sort();
            json!([volumes, of_claim(model, "two").1, model.list(resource::CLAIMS).len()])
        },
    );
}
