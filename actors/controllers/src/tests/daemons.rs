//! DaemonSets: one pod per node, rollouts with and without surge; never two pods for one node.

use super::harness::{crash, kubelet, rest, settle};
use crate::{Controller, Ids, daemonset::DaemonSetController, model::Model, pods, resource};
use podium_machinery::state::Change;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ALL: &[&dyn Controller] = &[&DaemonSetController];

fn made(nodes: usize, strategy: Value) -> Model {
    let mut model = Model::new(1);
    model.lingering = true;
    for number in 0..nodes {
        node(&mut model, &format!("n{number}"), json!({}), json!([]));
    }
    model.create(
        resource::DAEMON_SETS,
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "log", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "log"}}, "updateStrategy": strategy, "revisionHistoryLimit": 1,
            "template": {"metadata": {"labels": {"app": "log"}},
                "spec": {"containers": [{"name": "c", "image": "v1"}]}}}}),
    );
    model
}

fn node(model: &mut Model, name: &str, labels: Value, taints: Value) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints}});
    model.create(resource::NODES, node);
}

fn rolling(surge: i32, unavailable: i32) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
}

fn change(model: &mut Model, spec: Value) {
    model.patch(resource::DAEMON_SETS, "default", "log", &json!({ "spec": spec }));
}

fn image(image: &str) -> Value {
    json!({"template": {"spec": {"containers": [{"name": "c", "image": image}]}}})
}

fn status(model: &Model) -> Value {
    model.get(resource::DAEMON_SETS, "default", "log").unwrap()["status"].clone()
}

/// The images of the pods that count, by node.
fn placed(model: &Model) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in model.view.pods.all().filter(|pod| pods::active(pod)) {
        let pod = pod.object.value();
        let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let node = &terms["nodeSelectorTerms"][0]["matchFields"][0]["values"][0];
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        map.entry(node.as_str().unwrap_or_default().to_owned()).or_default().push(image.to_owned());
    }
    map
}

#[test]
fn each_suitable_node_has_one_pod() {
    let mut model = made(2, rolling(0, 1));
    let taint = |key: &str, effect: &str| json!([{"key": key, "effect": effect}]);
    node(&mut model, "kept", json!({}), taint("example.com/own", "NoSchedule"));
    node(&mut model, "cordoned", json!({}), taint("node.kubernetes.io/unschedulable", "NoSchedule"));
    node(&mut model, "lost", json!({}), taint("node.kubernetes.io/unreachable", "NoExecute"));
    rest(&mut model, ALL);
    let expected: Vec<_> = ["cordoned", "lost", "n0", "n1"].map(str::to_owned).into();
    assert_eq!(placed(&model).into_keys().collect::<Vec<_>>(), expected);
    let now = status(&model);
    assert_eq!((&now["desiredNumberScheduled"], &now["numberAvailable"]), (&json!(4), &json!(4)));
    let pod = model.list(resource::PODS).remove(0);
    assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), 6);
    // A taint that keeps pods away leaves those that are there; one that evicts does not.
    for (effect, left) in [("NoSchedule", true), ("NoExecute", false)] {
        let patch = json!({"spec": {"taints": taint("example.com/new", effect)}});
        model.patch(resource::NODES, "", "n0", &patch);
        rest(&mut model, ALL);
        assert_eq!(placed(&model).contains_key("n0"), left, "{effect}");
    }
    // A selector that no longer matches takes the pods away.
    change(&mut model, json!({"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}));
    model.patch(resource::NODES, "", "n1", &json!({"metadata": {"labels": {"disk": "ssd"}}}));
    rest(&mut model, ALL);
    assert_eq!(placed(&model).into_keys().collect::<Vec<_>>(), ["n1"]);
}

#[test]
fn nodes_come_and_go_and_heartbeats_wake_nobody() {
    let mut model = made(1, rolling(0, 1));
    rest(&mut model, ALL);
    node(&mut model, "late", json!({}), json!([]));
    rest(&mut model, ALL);
    assert_eq!(placed(&model).len(), 2);
    let before = model.view.nodes.get(&podium_types::Key::new("", "late")).unwrap().object.clone();
    model.patch(resource::NODES, "", "late", &json!({"status": {"phase": "beating"}}));
    let now = model.view.nodes.get(&podium_types::Key::new("", "late")).unwrap().object.clone();
    let event = podium_machinery::state::Event::new(Change::Modified, now.revision, now, Some(before));
    assert_eq!(DaemonSetController.keys(&model.view, resource::NODES, &event), Vec::new());
}

#[test]
fn a_rollout_replaces_as_many_as_may_be_missing() {
    for most in 1..=3 {
        let mut model = made(4, rolling(0, most));
        rest(&mut model, ALL);
        change(&mut model, image("v2"));
        for _ in 0..3 {
            model.run(&DaemonSetController, || false);
        }
        assert_eq!(placed(&model).len(), 4 - usize::try_from(most).unwrap());
        rest(&mut model, ALL);
        assert!(placed(&model).values().all(|images| images == &["v2"]));
        assert_eq!(status(&model)["updatedNumberScheduled"], 4);
    }
}

#[test]
fn with_surge_the_old_pod_goes_once_the_new_one_serves() {
    let mut model = made(3, rolling(1, 0));
    rest(&mut model, ALL);
    change(&mut model, image("v2"));
    for _ in 0..3 {
        model.run(&DaemonSetController, || false);
    }
    let double: Vec<_> = placed(&model).into_values().filter(|images| images.len() == 2).collect();
    assert_eq!(double.len(), 1, "one node at a time");
    assert_eq!(model.ready_pods(), 3, "and no old pod has gone yet");
    rest(&mut model, ALL);
    assert!(placed(&model).values().all(|images| images == &["v2"]));
}

#[test]
fn on_delete_waits_and_failed_pods_are_replaced_after_a_pause() {
    let mut model = made(1, json!({"type": "OnDelete"}));
    rest(&mut model, ALL);
    change(&mut model, image("v2"));
    rest(&mut model, ALL);
    assert_eq!(placed(&model)["n0"], ["v1"]);
    let name = podium_types::meta::name(&model.list(resource::PODS)[0]).to_owned();
    model.delete(resource::PODS, "default", &name);
    rest(&mut model, ALL);
    assert_eq!(placed(&model)["n0"], ["v2"]);
    model.run(&DaemonSetController, || false);
    let young = model.list(resource::PODS).remove(0);
    let name = podium_types::meta::name(&young);
    let created = json!(model.now.to_string());
    let fail = json!({"metadata": {"creationTimestamp": created}, "status": {"phase": "Failed"}});
    model.patch(resource::PODS, "default", name, &fail);
    let key = podium_types::Key::new("default", "log");
    model.run(&DaemonSetController, || false);
    let plan = DaemonSetController.decide(&model.view, &key, model.now, &mut model.ids);
    assert!(plan.writes.is_empty(), "{plan:?}");
    model.now = plan.wake_at.unwrap();
    rest(&mut model, ALL);
    assert_eq!(model.ready_pods(), 1);
}

#[test]
fn a_crash_after_any_write_leads_to_the_same_end() {
    for strategy in [rolling(0, 1), rolling(1, 0)] {
        let run = |at: usize| {
            let mut model = made(3, strategy.clone());
            let writes = crash(at, |go| {
                go(&mut model, ALL);
                change(&mut model, image("v2"));
                go(&mut model, ALL);
            });
            (writes, (placed(&model), status(&model), model.list(resource::CONTROLLER_REVISIONS).len()))
        };
        let (writes, expected) = run(usize::MAX);
        assert!(writes > 8);
        for at in 0..writes {
            assert_eq!(run(at).1, expected, "killed after write {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn sets_converge_and_never_crowd_a_node(
        nodes in 1_usize..6, surge in 0_i32..3, unavailable in 0_i32..3, seed in any::<u64>(), gone in 0_usize..6,
    ) {
        let mut model = made(nodes, rolling(surge, unavailable));
        let mut dice = Ids::new(seed);
        let check = |model: &Model| {
            for (node, mut images) in placed(model) {
                let most = if surge > 0 { 2 } else { 1 };
                assert!(images.len() <= most, "{images:?} on {node}");
                images.dedup();
                assert!(images.len() == 1 || surge > 0);
            }
            let double = placed(model).values().filter(|images| images.len() > 1).count();
            assert!(double <= usize::try_from(surge).unwrap(), "{double} nodes with two pods");
        };
        let play = |model: &mut Model, eager: &mut dyn FnMut() -> bool| kubelet(model, eager);
        prop_assert!(settle(&mut model, ALL, &mut dice, play, check));
        change(&mut model, image("v2"));
        let missing = usize::try_from(if surge == 0 { unavailable.max(1) } else { 0 }).unwrap();
        let settled = settle(&mut model, ALL, &mut dice, play, |model| {
            check(model);
            assert!(model.ready_pods() >= nodes.saturating_sub(missing));
        });
        prop_assert!(settled);
        let patch = json!({"spec": {"taints": [{"key": "example.com/gone", "effect": "NoExecute"}]}});
        let mut left = nodes;
        if gone < nodes {
            model.patch(resource::NODES, "", &format!("n{gone}"), &patch);
            left -= 1;
        }
        prop_assert!(settle(&mut model, ALL, &mut dice, play, check));
        prop_assert_eq!(placed(&model).len(), left);
        prop_assert!(placed(&model).values().all(|images| images == &["v2"]));
        prop_assert_eq!(status(&model)["desiredNumberScheduled"].as_u64(), Some(left as u64));
    }
}
