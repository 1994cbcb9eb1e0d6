//! Endpoints and EndpointSlices follow pods, and rest when nothing changes.

use crate::{
    endpoints::{
        ADDRESS_LIMIT, EndpointSliceController, EndpointSliceMirroringController, EndpointsController, SLICE_LIMIT,
    },
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

#[test]
fn endpoints_are_cut_short_where_there_are_too_many() {
    let mut model = Model::new(3);
    service(&mut model);
    for number in 0..=ADDRESS_LIMIT {
        pod(&mut model, number, number != 0);
    }
    model.run(&EndpointsController, || false);
    let mark = |model: &Model| {
        let object = model.get(resource::ENDPOINTS, "default", "web").unwrap();
        let count = |field: &str| object["subsets"][0][field].as_array().map_or(0, Vec::len);
        let mark = object["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"].clone();
        (count("addresses"), count("notReadyAddresses"), mark)
    };
    assert_eq!(mark(&model), (ADDRESS_LIMIT, 0, json!("truncated")), "ready ones first");
    model.delete(resource::PODS, "default", "p001");
    model.run(&EndpointsController, || false);
    assert_eq!(mark(&model), (ADDRESS_LIMIT - 1, 1, Value::Null));
}

#[test]
fn ready_endpoints_say_who_they_are_best_for() {
    let mut model = Model::new(3);
    service(&mut model);
    let labels = json!({"name": "n1", "labels": {"topology.kubernetes.io/zone": "z1"}});
    model.create(resource::NODES, json!({"apiVersion": "v1", "kind": "Node", "metadata": labels, "spec": {}}));
    pod(&mut model, 1, true);
    model.run(&EndpointSliceController, || false);
    let hints = |model: &Model| model.list(resource::ENDPOINT_SLICES)[0]["endpoints"][0]["hints"].clone();
    assert_eq!(hints(&model), Value::Null);
    let near = json!({"spec": {"trafficDistribution": "PreferSameNode"}});
    model.patch(resource::SERVICES, "default", "web", &near);
    model.run(&EndpointSliceController, || false);
    assert_eq!(hints(&model), json!({"forZones": [{"name": "z1"}], "forNodes": [{"name": "n1"}]}));
    assert_eq!(model.run(&EndpointSliceController, || false), 0, "at rest");
}

#[test]
fn endpoints_that_people_keep_are_mirrored() {
    let mut model = Model::new(3);
    let object = |kind: &str, metadata: Value| json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
    let metadata = json!({"name": "db", "namespace": "default", "labels": {"own": "1"},
        "annotations": {"note": "x", "endpoints.kubernetes.io/last-change-trigger-time": "t"}});
    let mut service = object("Service", metadata.clone());
    service["spec"] = json!({"ports": [{"port": 5432}]});
    model.create(resource::SERVICES, service);
    let ports = json!([{"port": 5432, "protocol": "TCP"}]);
    let addresses: Vec<Value> =
        (0..=ADDRESS_LIMIT).map(|n| json!({"ip": format!("10.1.{}.{}", n / 250, n % 250)})).collect();
    let mut endpoints = object("Endpoints", metadata);
    endpoints["subsets"] = json!([
        {"addresses": [{"ip": "10.0.0.1", "hostname": "one"}, {"ip": "fd00::1"}],
            "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": ports},
        {"addresses": addresses, "ports": [{"port": 1, "protocol": "UDP", "name": "many"}]},
    ]);
    model.create(resource::ENDPOINTS, endpoints);
    let controller = EndpointSliceMirroringController;
    model.run(&controller, || false);
    assert_eq!(model.run(&controller, || false), 0, "at rest");
    let mut slices = model.list(resource::ENDPOINT_SLICES);
    slices.sort_by_key(|slice| (slice["addressType"].to_string(), slice["endpoints"].as_array().unwrap().len()));
    let sizes: Vec<_> = slices.iter().map(|slice| slice["endpoints"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, ADDRESS_LIMIT, 1]);
    assert_eq!(
        slices[0]["endpoints"],
        json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "hostname": "one"},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": false}}])
    );
    let metadata = &slices[0]["metadata"];
    assert_eq!(metadata["annotations"], json!({"note": "x"}));
    assert_eq!(metadata["ownerReferences"][0]["kind"], "Endpoints");
    assert_eq!(metadata["labels"]["kubernetes.io/service-name"], "db");
    assert_eq!(metadata["labels"]["own"], "1");
    // One address goes, and with it a slice; another comes to the slice that there is.
    let subsets = json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.3"}], "ports": ports}]});
    model.patch(resource::ENDPOINTS, "default", "db", &subsets);
    assert_eq!(model.run(&controller, || false), 3);
    let left = model.list(resource::ENDPOINT_SLICES);
    assert_eq!((left.len(), &left[0]["metadata"]["name"]), (1, &metadata["name"]));
    // Whoever wants none has none, and so has a Service that selects pods.
    let skip = |value: Value| json!({"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": value}}});
    for (resource, on, off) in [
        (resource::ENDPOINTS, skip(json!("true")), skip(Value::Null)),
        (resource::SERVICES, json!({"spec": {"selector": {"app": "db"}}}), json!({"spec": {"selector": null}})),
    ] {
        for (patch, expected) in [(on, 0), (off, 1)] {
            model.patch(resource, "default", "db", &patch);
            model.run(&controller, || false);
            assert_eq!(model.list(resource::ENDPOINT_SLICES).len(), expected, "{resource}");
        }
    }
}
