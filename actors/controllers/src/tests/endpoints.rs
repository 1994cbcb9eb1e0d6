//! Endpoints and EndpointSlices follow pods, and rest when nothing changes.

use crate::{
    endpoints::{EndpointSliceController, EndpointsController, SLICE_LIMIT},
    model::Model,
    resource,
};
use serde_json::{Value, json};

fn service(model: &mut Model) {
    model.create(
        resource::SERVICES,
        json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"clusterIP": "10.96.0.7", "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}]}}),
    );
}

fn pod(model: &mut Model, number: usize, ready: bool) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("p{number:03}"), "namespace": "default", "labels": {"app": "web"}},
        "spec": {"nodeName": "n1",
            "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]}});
    model.create(resource::PODS, pod.clone());
    model.set_ready(&pod, ready);
}

fn endpoints(slices: &[Value]) -> Vec<usize> {
    slices.iter().map(|slice| slice["endpoints"].as_array().map_or(0, Vec::len)).collect()
}

#[test]
fn slices_hold_a_hundred_and_change_no_more_than_needed() {
    let mut model = Model::new(3);
    service(&mut model);
    model.run(&EndpointSliceController, || false);
    assert_eq!(endpoints(&model.list(resource::ENDPOINT_SLICES)), [0], "a placeholder");
    for number in 0..=SLICE_LIMIT {
        pod(&mut model, number, true);
    }
    model.run(&EndpointSliceController, || false);
    assert_eq!(model.run(&EndpointSliceController, || false), 0, "at rest");
    let mut sizes = endpoints(&model.list(resource::ENDPOINT_SLICES));
    sizes.sort_unstable();
    assert_eq!(sizes, [1, SLICE_LIMIT]);
    assert_eq!(model.list(resource::ENDPOINT_SLICES)[0]["ports"][0]["port"], 8080);

    let first = model.get(resource::PODS, "default", "p000").unwrap();
    model.set_ready(&first, false);
    assert_eq!(model.run(&EndpointSliceController, || false), 1, "one pod, one slice");
    model.delete(resource::PODS, "default", "p000");
    assert_eq!(model.run(&EndpointSliceController, || false), 1);
    assert_eq!(model.run(&EndpointSliceController, || false), 0);
    model.delete(resource::SERVICES, "default", "web");
    assert_eq!(model.run(&EndpointSliceController, || false), 0, "no Service is left to ask about");
}

#[test]
fn endpoints_tell_ready_pods_from_others() {
    let mut model = Model::new(3);
    service(&mut model);
    pod(&mut model, 1, true);
    pod(&mut model, 2, false);
    model.run(&EndpointsController, || false);
    assert_eq!(model.run(&EndpointsController, || false), 0, "at rest");
    let object = model.get(resource::ENDPOINTS, "default", "web").unwrap();
    let subset = &object["subsets"][0];
    assert_eq!(subset["addresses"][0]["targetRef"]["name"], "p001");
    assert_eq!(subset["notReadyAddresses"][0]["targetRef"]["name"], "p002");
    assert_eq!(subset["ports"], json!([{"port": 8080, "protocol": "TCP"}]));
}

#[test]
fn services_without_selector_are_left_alone() {
    let mut model = Model::new(3);
    model.create(
        resource::SERVICES,
        json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default"}, "spec": {"ports": [{"port": 443}]}}),
    );
    assert_eq!(model.run(&EndpointSliceController, || false) + model.run(&EndpointsController, || false), 0);
}
