//! Nodes: networks, silence, eviction, and pods left behind.

use crate::{
    Controller,
    model::Model,
    nodeipam::NodeIpamController,
    nodelifecycle::{GRACE_SECONDS, NodeLifecycleController},
    podgc::PodGcController,
    resource,
};
use serde_json::{Value, json};

fn node(model: &mut Model, name: &str) {
    let since = serde_json::to_value(crate::time::stamp(model.now)).unwrap();
    model.create(
        resource::NODES,
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": since}]}}),
    );
}

fn pod(model: &mut Model, name: &str, node: &str, tolerations: Value) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node, "containers": [], "tolerations": tolerations}});
    model.create(resource::PODS, pod.clone());
    model.set_ready(&pod, true);
}

#[test]
fn every_node_gets_a_network_of_its_own() {
    let mut model = Model::new(1);
    for name in ["a", "b", "c"] {
        node(&mut model, name);
    }
    let ipam = NodeIpamController::new("10.244.0.0/23").unwrap();
    model.run(&ipam, || false);
    let cidrs: Vec<Value> = model.list(resource::NODES).iter().map(|n| n["spec"]["podCIDR"].clone()).collect();
    assert_eq!(cidrs, [json!("10.244.0.0/24"), json!("10.244.1.0/24"), Value::Null], "the network is full");
    model.delete(resource::NODES, "", "a");
    model.run(&ipam, || false);
    assert_eq!(model.get(resource::NODES, "", "c").unwrap()["spec"]["podCIDR"], "10.244.0.0/24");
    assert_eq!(model.run(&ipam, || false), 0);
    node(&mut model, "d");
    let told = model.run_refused(&ipam, |_| None).1;
    let told: Vec<_> =
        told.iter().map(|event| (event.key.name.as_str(), event.reason, event.message.as_str())).collect();
    assert_eq!(told, [("d", "CIDRNotAvailable", "Node d status is now: CIDRNotAvailable")]);
    assert!(NodeIpamController::new("10.244.0.0/25").is_err());
}

/// Its agent says that it is there.
fn beat(model: &mut Model, name: &str) {
    let since = serde_json::to_value(crate::time::stamp(model.now)).unwrap();
    let conditions = json!([{"type": "Ready", "status": "True", "lastHeartbeatTime": since,
        "lastTransitionTime": since}]);
    model.patch(resource::NODES, "", name, &json!({"status": {"conditions": conditions}}));
}

/// Lets time pass, in which these nodes say that they are there, and the controller look on.
fn pass(model: &mut Model, seconds: i64, alive: &[&str]) {
    for _ in 0..seconds {
        model.advance(1);
        alive.iter().for_each(|name| beat(model, name));
        model.run(&NodeLifecycleController, || false);
    }
    // Conditions, taints and evictions come one after the other.
    for _ in 0..4 {
        model.run(&NodeLifecycleController, || false);
    }
}

fn pods(model: &Model) -> Vec<Value> {
    model.list(resource::PODS).iter().map(|pod| pod["metadata"]["name"].clone()).collect()
}

/// The nodes whose pods may be sent away.
fn given_up(model: &Model) -> Vec<String> {
    let evicts = |node: &Value| {
        let taints = node["spec"]["taints"].as_array().into_iter().flatten();
        taints.into_iter().any(|taint| taint["effect"] == "NoExecute")
    };
    let nodes = model.list(resource::NODES).into_iter().filter(evicts);
    nodes.map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_silent_node_is_tainted_and_its_pods_leave_in_time() {
    let mut model = Model::new(1);
    node(&mut model, "a");
    node(&mut model, "b");
    let stay = json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}]);
    pod(&mut model, "patient", "a", stay);
    pod(&mut model, "hasty", "a", json!([]));
    let key = podium_types::Key::new("", "a");
    let plan = NodeLifecycleController.decide(&model.view, &key, model.now, &mut model.ids);
    assert_eq!(plan.writes, Vec::new());
    assert_eq!(plan.wake_at, crate::time::after(model.now, GRACE_SECONDS));
    pass(&mut model, GRACE_SECONDS - 1, &["b"]);
    assert_eq!(model.ready_pods(), 2);
    pass(&mut model, 1, &["b"]);
    let a = model.get(resource::NODES, "", "a").unwrap();
    assert_eq!(a["status"]["conditions"][0]["status"], "Unknown");
    assert_eq!(a["spec"]["taints"].as_array().unwrap().len(), 2);
    assert_eq!(model.ready_pods(), 0);
    assert_eq!(pods(&model), ["patient"]);
    assert_eq!(model.run(&NodeLifecycleController, || false), 0, "at rest until the toleration ends");
    pass(&mut model, 299, &["b"]);
    assert_eq!(pods(&model), ["patient"]);
    pass(&mut model, 1, &["b"]);
    assert_eq!(pods(&model), Vec::<Value>::new());
    // It comes back.
    pass(&mut model, 1, &["a", "b"]);
    assert_eq!(model.get(resource::NODES, "", "a").unwrap()["spec"]["taints"], json!([]));
}

#[test]
fn nodes_are_given_up_one_after_the_other_while_few_of_their_zone_are_silent() {
    let mut model = Model::new(1);
    for name in ["a", "b", "c", "d", "e"] {
        node(&mut model, name);
    }
    pass(&mut model, GRACE_SECONDS, &["c", "d", "e"]);
    assert_eq!(given_up(&model), ["a"]);
    pass(&mut model, 9, &["c", "d", "e"]);
    assert_eq!(given_up(&model), ["a"], "one in ten seconds");
    pass(&mut model, 1, &["c", "d", "e"]);
    assert_eq!(given_up(&model), ["a", "b"]);
    // Most of the zone falls silent: no more are given up, and the two stay so.
    pass(&mut model, GRACE_SECONDS + 60, &["d", "e"]);
    assert_eq!(given_up(&model), ["a", "b"]);
    // Nobody answers: it must be the control plane that is cut off.
    pass(&mut model, GRACE_SECONDS + 1, &[]);
    assert_eq!(given_up(&model), Vec::<String>::new());
    // Once some answer again, it goes on as before.
    pass(&mut model, 1, &["c", "d", "e"]);
    assert_eq!(given_up(&model), ["a"]);
}

#[test]
fn a_zone_that_is_dark_does_not_wait_for_another() {
    let mut model = Model::new(1);
    for (name, zone) in [("a", "x"), ("b", "x"), ("c", "x"), ("d", "y"), ("e", "y")] {
        node(&mut model, name);
        let labels = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}});
        model.patch(resource::NODES, "", name, &labels);
    }
    pass(&mut model, GRACE_SECONDS, &["e"]);
    assert_eq!(given_up(&model), ["a", "d"]);
    pass(&mut model, 10, &["e"]);
    assert_eq!(given_up(&model), ["a", "b", "d"]);
}

#[test]
fn who_could_not_be_heard_is_not_silent() {
    let mut model = Model::new(1);
    node(&mut model, "a");
    model.advance(3600);
    model.view.since = Some(model.now);
    assert_eq!(model.run(&NodeLifecycleController, || false), 0, "the control plane was away, not the node");
    model.advance(GRACE_SECONDS);
    assert!(model.run(&NodeLifecycleController, || false) > 0);
}

#[test]
fn pods_on_their_way_out_leave_a_node_that_is_out_of_service() {
    let mut model = Model::new(1);
    model.lingering = true;
    node(&mut model, "a");
    for name in ["stays", "leaves"] {
        pod(&mut model, name, "a", json!([]));
    }
    model.delete(resource::PODS, "default", "leaves");
    let taint = json!({"spec": {"taints": [{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]}});
    model.patch(resource::NODES, "", "a", &taint);
    assert_eq!(model.run(&PodGcController, || false), 0, "the node answers");
    let silent = json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
    model.patch(resource::NODES, "", "a", &silent);
    model.lingering = false;
    model.run(&PodGcController, || false);
    assert_eq!(pods(&model), ["stays"]);
}

#[test]
fn pods_of_a_node_that_is_gone_fail_and_go() {
    let mut model = Model::new(1);
    pod(&mut model, "left", "nowhere", json!([]));
    assert_eq!(model.run(&PodGcController, || false), 0, "its node may yet come");
    model.advance(crate::podgc::QUARANTINE_SECONDS);
    assert_eq!(model.run(&PodGcController, || true), 2, "failed first, then deleted");
    model.run(&PodGcController, || false);
    assert_eq!(model.list(resource::PODS), Vec::<Value>::new());
}
