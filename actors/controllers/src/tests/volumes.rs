//! Claims find their volumes, lose them and are kept while somebody uses them.

use super::crashes::same_end;
use crate::{
    Controller,
    model::Model,
    resource,
    volumes::{ClaimProtection, VolumeController, VolumeProtection},
};
use serde_json::{Value, json};

const ALL: &[&dyn Controller] = &[&VolumeController, &ClaimProtection, &VolumeProtection];

fn volume(model: &mut Model, name: &str, size: &str, change: Value) {
    let mut spec = json!({"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
        "storageClassName": "manual", "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/x"}});
    change.as_object().unwrap().iter().for_each(|(field, value)| spec[field] = value.clone());
    let metadata = json!({"name": name, "labels": {"name": name}});
    model.create(
        resource::VOLUMES,
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}),
    );
}

fn claim(model: &mut Model, name: &str, size: &str, change: Value) {
    let mut spec = json!({"resources": {"requests": {"storage": size}}, "accessModes": ["ReadWriteOnce"],
        "storageClassName": "manual"});
    change.as_object().unwrap().iter().for_each(|(field, value)| spec[field] = value.clone());
    model.create(
        resource::CLAIMS,
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec}),
    );
}

fn class(model: &mut Model, name: &str, provisioner: &str, mode: &str) {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": provisioner, "volumeBindingMode": mode});
    model.create(resource::STORAGE_CLASSES, class);
}

/// Goes on until nothing is left to do; reasons of all events on the way.
fn rest(model: &mut Model) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    for _ in 0..10 {
        let mut writes = 0;
        for controller in ALL {
            let (count, events) = model.run_refused(*controller, |_| None);
            writes += count;
            reasons.extend(events.iter().map(|event| event.reason));
        }
        if writes == 0 {
            return reasons;
        }
    }
    panic!("no rest");
}

/// Phase and volume of a claim.
fn bound(model: &Model, name: &str) -> (String, String) {
    let claim = model.get(resource::CLAIMS, "default", name).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&claim["status"]["phase"]), text(&claim["spec"]["volumeName"]))
}

fn phase(model: &Model, name: &str) -> String {
    let volume = model.get(resource::VOLUMES, "", name).unwrap();
    volume["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_claim_gets_the_smallest_volume_that_suits_it() {
    let own = |name: &str, uid: Value| json!({"claimRef": {"namespace": "default", "name": name, "uid": uid}});
    for (change, expected) in [
        (json!({}), "small"),
        (json!({"resources": {"requests": {"storage": "2Gi"}}}), "large"),
        (json!({"resources": {"requests": {"storage": "9Gi"}}}), ""),
        (json!({"accessModes": ["ReadWriteMany"]}), ""),
        (json!({"storageClassName": ""}), ""),
        (json!({"volumeMode": "Block"}), "block"),
        (json!({"selector": {"matchLabels": {"name": "large"}}}), "large"),
        (json!({"volumeName": "large"}), "large"),
        (json!({"volumeName": "taken"}), ""),
    ] {
        let mut model = Model::new(1);
        volume(&mut model, "large", "5Gi", json!({}));
        volume(&mut model, "small", "1Gi", json!({}));
        volume(&mut model, "taken", "1Gi", own("other", json!("1")));
        volume(&mut model, "block", "1Gi", json!({"volumeMode": "Block"}));
        claim(&mut model, "data", "500Mi", change.clone());
        rest(&mut model);
        let (phase, name) = bound(&model, "data");
        assert_eq!(phase, if expected.is_empty() { "Pending" } else { "Bound" }, "{change}");
        if !expected.is_empty() {
            assert_eq!(name, expected, "{change}");
            assert_eq!(self::phase(&model, expected), "Bound");
        }
        assert_eq!(self::phase(&model, "taken"), "Released", "its claim is gone");
    }
    // One that was made for the claim is better than a smaller one.
    let mut model = Model::new(1);
    volume(&mut model, "small", "1Gi", json!({}));
    volume(&mut model, "made", "5Gi", own("data", Value::Null));
    rest(&mut model);
    assert_eq!(phase(&model, "made"), "Available");
    claim(&mut model, "data", "1Gi", json!({}));
    rest(&mut model);
    assert_eq!(bound(&model, "data"), ("Bound".to_owned(), "made".to_owned()));
}

#[test]
fn a_claim_without_a_volume_says_what_it_waits_for() {
    for (class_name, expected) in [
        ("", "FailedBinding"),
        ("manual", "FailedBinding"),
        ("none-such", "ProvisioningFailed"),
        ("made", "ExternalProvisioning"),
        ("later", "WaitForFirstConsumer"),
    ] {
        let mut model = Model::new(1);
        class(&mut model, "manual", "kubernetes.io/no-provisioner", "Immediate");
        class(&mut model, "made", "example.com/disks", "Immediate");
        class(&mut model, "later", "example.com/disks", "WaitForFirstConsumer");
        claim(&mut model, "data", "1Gi", json!({"storageClassName": class_name}));
        assert_eq!(rest(&mut model)[0], expected, "{class_name}");
        let annotations = &model.get(resource::CLAIMS, "default", "data").unwrap()["metadata"]["annotations"];
        let asked = annotations["volume.kubernetes.io/storage-provisioner"].as_str();
        assert_eq!(asked, (class_name == "made").then_some("example.com/disks"));
    }
}

#[test]
fn where_the_first_pod_runs_decides() {
    let mut model = Model::new(1);
    class(&mut model, "manual", "kubernetes.io/no-provisioner", "WaitForFirstConsumer");
    for name in ["a", "b"] {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"host": name}}});
        model.create(resource::NODES, node);
        let here = json!({"required": {"nodeSelectorTerms": [{"matchExpressions":
            [{"key": "host", "operator": "In", "values": [name]}]}]}});
        volume(&mut model, &format!("disk-{name}"), "1Gi", json!({"nodeAffinity": here}));
    }
    claim(&mut model, "data", "1Gi", json!({}));
    rest(&mut model);
    assert_eq!(bound(&model, "data").0, "Pending");
    let selected = json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "b"}}});
    model.patch(resource::CLAIMS, "default", "data", &selected);
    rest(&mut model);
    assert_eq!(bound(&model, "data"), ("Bound".to_owned(), "disk-b".to_owned()));
}

#[test]
fn what_is_in_use_stays_and_what_is_released_is_reclaimed() {
    for (policy, expected, told) in [
        ("Retain", "Released", None),
        ("Delete", "Failed", Some("VolumeFailedDelete")),
        ("Recycle", "Failed", Some("VolumeFailedRecycle")),
    ] {
        let mut model = Model::new(1);
        volume(&mut model, "disk", "1Gi", json!({"persistentVolumeReclaimPolicy": policy}));
        claim(&mut model, "data", "1Gi", json!({}));
        let source = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
            "spec": {"nodeName": "a", "containers": [], "volumes": source}});
        model.create(resource::PODS, pod);
        rest(&mut model);
        model.delete(resource::CLAIMS, "default", "data");
        model.delete(resource::VOLUMES, "", "disk");
        rest(&mut model);
        assert_eq!(bound(&model, "data").0, "Bound", "a pod uses it");
        model.delete(resource::PODS, "default", "p");
        let mut other = Model::new(1);
        std::mem::swap(&mut other, &mut model);
        rest(&mut other);
        assert_eq!((other.list(resource::CLAIMS).len(), other.list(resource::VOLUMES).len()), (0, 0));

        // The same with a volume that nobody wants to delete.
        volume(&mut model, "disk", "1Gi", json!({"persistentVolumeReclaimPolicy": policy}));
        claim(&mut model, "data", "1Gi", json!({}));
        rest(&mut model);
        model.delete(resource::CLAIMS, "default", "data");
        assert_eq!(rest(&mut model).first().copied(), told);
        assert_eq!(phase(&model, "disk"), expected);
        claim(&mut model, "next", "1Gi", json!({}));
        rest(&mut model);
        assert_eq!(bound(&model, "next").0, "Pending", "its data is another's");
    }
}

#[test]
fn a_claim_whose_volume_is_lost_says_so() {
    let mut model = Model::new(1);
    volume(&mut model, "disk", "1Gi", json!({}));
    claim(&mut model, "data", "1Gi", json!({}));
    rest(&mut model);
    let bare = json!({"metadata": {"finalizers": null}});
    model.patch(resource::VOLUMES, "", "disk", &bare);
    model.delete(resource::VOLUMES, "", "disk");
    assert_eq!(rest(&mut model), ["ClaimLost"]);
    assert_eq!(bound(&model, "data").0, "Lost");
}

#[test]
fn a_crash_after_any_write_leads_to_the_same_end() {
    same_end(
        12,
        |model, go| {
            volume(model, "small", "1Gi", json!({}));
            volume(model, "large", "5Gi", json!({}));
            claim(model, "one", "1Gi", json!({}));
            claim(model, "two", "1Gi", json!({}));
            go(model, ALL);
            model.delete(resource::CLAIMS, "default", "one");
            go(model, ALL);
        },
        |model| {
            // Which claim is first to choose is nobody's promise.
            let mut volumes = ["small", "large"].map(|name| phase(model, name));
            volumes.sort();
            json!([volumes, bound(model, "two").0, model.list(resource::CLAIMS).len()])
        },
    );
}
