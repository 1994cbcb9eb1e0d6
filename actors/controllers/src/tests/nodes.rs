//! Nodes: networks, silence, eviction, and pods left behind.

use crate::{
    Controller, model::Model, nodeipam::NodeIpamController, nodelifecycle::NodeLifecycleController,
    podgc::PodGcController, resource,
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
    assert!(NodeIpamController::new("10.244.0.0/25").is_err());
}

#[test]
fn a_silent_node_is_tainted_and_its_pods_leave_in_time() {
    let mut model = Model::new(1);
    node(&mut model, "a");
    let stay = json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}]);
    pod(&mut model, "patient", "a", stay);
    pod(&mut model, "hasty", "a", json!([]));
    let key = podium_types::Key::new("", "a");
    let plan = NodeLifecycleController.decide(&model.view, &key, model.now, &mut model.ids);
    assert_eq!(plan.writes, Vec::new());
    model.now = plan.wake_at.unwrap();
    for _ in 0..4 {
        model.run(&NodeLifecycleController, || false);
    }
    let a = model.get(resource::NODES, "", "a").unwrap();
    assert_eq!(a["status"]["conditions"][0]["status"], "Unknown");
    assert_eq!(a["spec"]["taints"].as_array().unwrap().len(), 2);
    assert_eq!(model.ready_pods(), 0);
    let names =
        |model: &Model| model.list(resource::PODS).iter().map(|p| p["metadata"]["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&model), ["patient"]);
    assert_eq!(model.run(&NodeLifecycleController, || false), 0, "at rest until the toleration ends");
    model.advance(300);
    model.run(&NodeLifecycleController, || false);
    assert_eq!(names(&model), Vec::<Value>::new());
    // It comes back.
    let beat = serde_json::to_value(crate::time::stamp(model.now)).unwrap();
    let conditions = json!([{"type": "Ready", "status": "True", "lastHeartbeatTime": beat}]);
    model.patch(resource::NODES, "", "a", &json!({"status": {"conditions": conditions}}));
    model.run(&NodeLifecycleController, || false);
    assert_eq!(model.get(resource::NODES, "", "a").unwrap()["spec"]["taints"], json!([]));
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
