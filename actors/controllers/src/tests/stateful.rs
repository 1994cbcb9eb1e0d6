//! StatefulSets: order, identity, volumes, rollouts; never two pods for one ordinal.

use super::harness::{crash, images, kubelet, rest, settle};
use crate::{Controller, Ids, model::Model, pods, resource, statefulset::StatefulSetController};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ALL: &[&dyn Controller] = &[&StatefulSetController];

fn set(replicas: i32, policy: &str, more: Value) -> Value {
    let mut set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "serviceName": "nginx", "podManagementPolicy": policy,
            "selector": {"matchLabels": {"app": "web"}}, "revisionHistoryLimit": 2,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "v1"}]}}}});
    for (name, value) in more.as_object().unwrap() {
        set["spec"][name] = value.clone();
    }
    set
}

fn made(replicas: i32, policy: &str, more: Value) -> Model {
    let mut model = Model::new(1);
    model.lingering = true;
    model.create(resource::STATEFUL_SETS, set(replicas, policy, more));
    model
}

fn change(model: &mut Model, spec: Value) {
    model.patch(resource::STATEFUL_SETS, "default", "web", &json!({ "spec": spec }));
}

fn image(image: &str) -> Value {
    json!({"template": {"spec": {"containers": [{"name": "c", "image": image}]}}})
}

fn status(model: &Model) -> Value {
    model.get(resource::STATEFUL_SETS, "default", "web").unwrap()["status"].clone()
}

fn names(model: &Model) -> Vec<String> {
    images(model).into_iter().map(|(name, _)| name).collect()
}

fn versions(model: &Model) -> Vec<String> {
    images(model).into_iter().map(|(_, image)| image).collect()
}

#[test]
fn pods_come_in_order_and_go_in_reverse() {
    let mut model = made(3, "OrderedReady", json!({}));
    for expected in 1..=3 {
        for _ in 0..3 {
            model.run(&StatefulSetController, || false);
        }
        assert_eq!(names(&model).len(), expected, "the next one waits until all before are ready");
        kubelet(&mut model, || true);
    }
    rest(&mut model, ALL);
    assert_eq!(status(&model)["readyReplicas"], 3);
    change(&mut model, json!({"replicas": 1}));
    for left in [2, 1] {
        for _ in 0..3 {
            model.run(&StatefulSetController, || false);
        }
        assert_eq!(names(&model).len(), left);
        assert_eq!(names(&model).last().unwrap(), &format!("web-{}", left - 1));
        kubelet(&mut model, || true);
    }
}

#[test]
fn in_parallel_all_come_and_go_at_once() {
    let mut model = made(3, "Parallel", json!({}));
    model.run(&StatefulSetController, || false);
    assert_eq!(names(&model), ["web-0", "web-1", "web-2"]);
    change(&mut model, json!({"replicas": 0}));
    model.run(&StatefulSetController, || false);
    assert_eq!(names(&model).len(), 0);
}

#[test]
fn each_pod_keeps_its_identity() {
    let claims = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]);
    let mut model = made(2, "OrderedReady", json!({"ordinals": {"start": 5}, "volumeClaimTemplates": claims}));
    rest(&mut model, ALL);
    let pod = model.get(resource::PODS, "default", "web-6").unwrap();
    assert_eq!(pod["spec"]["hostname"], "web-6");
    assert_eq!(pod["spec"]["subdomain"], "nginx");
    assert_eq!(pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"], "web-6");
    assert_eq!(pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"], "6");
    assert_eq!(pod["metadata"]["labels"]["controller-revision-hash"], status(&model)["updateRevision"]);
    assert_eq!(pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-web-6");
    let claim = model.get(resource::CLAIMS, "default", "data-web-6").unwrap();
    assert_eq!(claim["metadata"]["labels"]["app"], "web");
    // The volume outlives its pod.
    let uid = claim["metadata"]["uid"].clone();
    model.delete(resource::PODS, "default", "web-6");
    rest(&mut model, ALL);
    assert_eq!(model.get(resource::CLAIMS, "default", "data-web-6").unwrap()["metadata"]["uid"], uid);
    assert_eq!(names(&model), ["web-5", "web-6"]);
}

#[test]
fn claims_go_as_the_retention_policy_says() {
    let claims = json!([{"metadata": {"name": "data"}, "spec": {}}]);
    for (when_deleted, when_scaled, kept, gone) in [
        ("Retain", "Retain", None, None),
        ("Delete", "Retain", Some("StatefulSet"), Some("StatefulSet")),
        ("Retain", "Delete", None, Some("Pod")),
        ("Delete", "Delete", Some("StatefulSet"), Some("Pod")),
    ] {
        let policy = json!({"whenDeleted": when_deleted, "whenScaled": when_scaled});
        let more = json!({"volumeClaimTemplates": claims, "persistentVolumeClaimRetentionPolicy": policy});
        let mut model = made(2, "OrderedReady", more);
        rest(&mut model, ALL);
        change(&mut model, json!({"replicas": 1}));
        rest(&mut model, ALL);
        let owner = |name: &str| {
            let claim = model.get(resource::CLAIMS, "default", name).unwrap();
            claim["metadata"]["ownerReferences"][0]["kind"].as_str().map(str::to_owned)
        };
        let case = format!("{when_deleted} {when_scaled}");
        let expected = (kept.map(str::to_owned), gone.map(str::to_owned));
        assert_eq!((owner("data-web-0"), owner("data-web-1")), expected, "{case}");
    }
}

#[test]
fn a_rollout_goes_from_the_top_down_to_the_partition() {
    let mut model = made(3, "OrderedReady", json!({}));
    rest(&mut model, ALL);
    let first = status(&model)["currentRevision"].clone();
    change(&mut model, image("v2"));
    change(&mut model, json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}}));
    rest(&mut model, ALL);
    assert_eq!(versions(&model), ["v1", "v1", "v2"]);
    let canary = status(&model);
    assert_eq!((&canary["currentRevision"], &canary["updatedReplicas"]), (&first, &json!(1)));
    assert_ne!(canary["updateRevision"], first);
    // A pod below the partition comes back as it was.
    model.delete(resource::PODS, "default", "web-0");
    rest(&mut model, ALL);
    assert_eq!(versions(&model), ["v1", "v1", "v2"]);
    change(&mut model, json!({"updateStrategy": {"rollingUpdate": {"partition": 0}}}));
    rest(&mut model, ALL);
    assert_eq!(versions(&model), ["v2", "v2", "v2"]);
    assert_eq!(status(&model)["currentRevision"], canary["updateRevision"]);
    // Back again: the old revision is taken up, not made anew.
    change(&mut model, image("v1"));
    rest(&mut model, ALL);
    assert_eq!(status(&model)["currentRevision"], first);
    assert_eq!(model.list(resource::CONTROLLER_REVISIONS).len(), 2);
}

#[test]
fn on_delete_waits_for_the_user() {
    let mut model = made(2, "OrderedReady", json!({"updateStrategy": {"type": "OnDelete"}}));
    rest(&mut model, ALL);
    change(&mut model, image("v2"));
    rest(&mut model, ALL);
    assert_eq!(versions(&model), ["v1", "v1"]);
    model.delete(resource::PODS, "default", "web-0");
    rest(&mut model, ALL);
    assert_eq!(versions(&model), ["v2", "v1"]);
}

#[test]
fn max_unavailable_lets_several_go_at_once() {
    for (most, expected) in [(json!(1), 1), (json!(2), 2), (json!("50%"), 3), (json!("1%"), 1)] {
        let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": most}});
        let mut model = made(6, "Parallel", json!({"updateStrategy": strategy}));
        rest(&mut model, ALL);
        change(&mut model, image("v2"));
        for _ in 0..3 {
            model.run(&StatefulSetController, || false);
        }
        assert_eq!(names(&model).len(), 6 - expected, "{most}");
        rest(&mut model, ALL);
        assert_eq!(versions(&model), ["v2"; 6]);
    }
}

#[test]
fn min_ready_seconds_hold_the_next_pod_back() {
    let mut model = made(2, "OrderedReady", json!({"minReadySeconds": 30}));
    model.run(&StatefulSetController, || false);
    kubelet(&mut model, || true);
    model.run(&StatefulSetController, || false);
    assert_eq!(names(&model), ["web-0"]);
    let key = podium_types::Key::new("default", "web");
    let plan = StatefulSetController.decide(&model.view, &key, model.now, &mut model.ids);
    model.now = plan.wake_at.unwrap();
    model.run(&StatefulSetController, || false);
    assert_eq!(names(&model), ["web-0", "web-1"]);
}

#[test]
fn ended_pods_are_made_again_and_old_revisions_go() {
    let mut model = made(1, "OrderedReady", json!({}));
    for version in ["v1", "v2", "v3", "v4", "v5"] {
        change(&mut model, image(version));
        rest(&mut model, ALL);
    }
    assert_eq!(model.list(resource::CONTROLLER_REVISIONS).len(), 3, "the present one and a history of two");
    model.patch(resource::PODS, "default", "web-0", &json!({"status": {"phase": "Failed"}}));
    rest(&mut model, ALL);
    assert!(pods::ready(model.view.pods.all().next().unwrap()));
}

#[test]
fn a_stranger_under_an_ordinals_name_is_waited_for() {
    let mut model = Model::new(1);
    let stranger = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "other"}]}});
    model.create(resource::PODS, stranger);
    model.create(resource::STATEFUL_SETS, set(1, "OrderedReady", json!({})));
    rest(&mut model, ALL);
    assert_eq!(versions(&model), ["other"]);
    model.delete(resource::PODS, "default", "web-0");
    rest(&mut model, ALL);
    assert_eq!(versions(&model), ["v1"]);
}

#[test]
fn a_crash_after_any_write_leads_to_the_same_end() {
    let claims = json!([{"metadata": {"name": "data"}, "spec": {}}]);
    let run = |at: usize| {
        let more = json!({"volumeClaimTemplates": claims,
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"}});
        let mut model = made(3, "OrderedReady", more);
        let writes = crash(at, |go| {
            go(&mut model, ALL);
            change(&mut model, image("v2"));
            go(&mut model, ALL);
            change(&mut model, json!({"replicas": 2}));
            go(&mut model, ALL);
        });
        let owners = |o: &Value| o["metadata"]["ownerReferences"][0]["kind"].clone();
        let claims: Vec<_> = model.list(resource::CLAIMS).iter().map(owners).collect();
        let revisions = model.list(resource::CONTROLLER_REVISIONS).len();
        (writes, (images(&model), claims, revisions, status(&model)))
    };
    let (writes, expected) = run(usize::MAX);
    assert!(writes > 10);
    for at in 0..writes {
        assert_eq!(run(at).1, expected, "killed after write {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn sets_converge_from_anywhere_and_then_rest(
        from in 0_i32..6, to in 0_i32..6, start in 0_i32..3, parallel in any::<bool>(), most in 1_i32..3,
        partition in 0_i32..4, seed in any::<u64>(), kill in 0_i32..6,
    ) {
        let policy = if parallel { "Parallel" } else { "OrderedReady" };
        let rolling = |partition: i32| json!({"type": "RollingUpdate",
            "rollingUpdate": {"partition": partition, "maxUnavailable": most}});
        let mut model = Model::new(seed);
        model.lingering = true;
        model.create(resource::STATEFUL_SETS, set(from, policy, json!({"ordinals": {"start": start}})));
        let mut dice = Ids::new(seed ^ 1);
        let ordinals = |model: &Model, size: i32| {
            let names: BTreeSet<String> = names(model).into_iter().collect();
            assert!(names.iter().all(|name| (start..start + size).any(|n| *name == format!("web-{n}"))), "{names:?}");
        };
        prop_assert!(settle(&mut model, ALL, &mut dice, kubelet_of, |m| ordinals(m, from)));
        // Another template, size and strategy, and a pod that goes by itself, all in the middle of it.
        let mut spec = image("v2");
        spec["replicas"] = json!(to);
        spec["updateStrategy"] = rolling(partition);
        change(&mut model, spec);
        let victim = format!("web-{}", start + kill);
        if model.get(resource::PODS, "default", &victim).is_some() {
            model.delete(resource::PODS, "default", &victim);
        }
        prop_assert!(settle(&mut model, ALL, &mut dice, kubelet_of, |m| ordinals(m, from.max(to))));
        prop_assert_eq!(names(&model).len(), usize::try_from(to).unwrap());
        let old = versions(&model).iter().take_while(|version| *version == "v1").count();
        let kept = usize::try_from(partition.min(to)).unwrap();
        prop_assert!(old <= kept, "{} of v1 with partition {}", old, partition);
        prop_assert!(versions(&model)[old..].iter().all(|version| version == "v2"));
        let status = status(&model);
        prop_assert_eq!(status["readyReplicas"].as_i64().unwrap_or(0), i64::from(to));
        // All at once to the end.
        change(&mut model, json!({"updateStrategy": rolling(0)}));
        prop_assert!(settle(&mut model, ALL, &mut dice, kubelet_of, |m| ordinals(m, to)));
        prop_assert!(versions(&model).iter().all(|version| version == "v2"));
    }
}

fn kubelet_of(model: &mut Model, eager: &mut dyn FnMut() -> bool) -> usize {
    kubelet(model, eager)
}
