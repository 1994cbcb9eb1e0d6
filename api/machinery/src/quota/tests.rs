//! Tables of what objects use, of scopes, and of what fits.

use super::*;
use k8s_openapi::api::core::v1::ResourceQuota;
use serde_json::json;

fn pod(spec: Value) -> Value {
    let mut spec = spec;
    if spec["containers"].is_null() {
        spec["containers"] = json!([{"name": "c"}]);
    }
    json!({"metadata": {"name": "p"}, "spec": spec})
}

fn asks(requests: Value, limits: Value) -> Value {
    json!({"name": "c", "resources": {"requests": requests, "limits": limits}})
}

fn amount(resource: &'static str, object: &Value, name: &str) -> Option<String> {
    Measured::read(resource, object).expect("readable").subject().amount(name).map(|q| q.to_string())
}

#[test]
fn pods_use_what_they_ask_for() {
    let plain = pod(json!({"containers": [
        asks(json!({"cpu": "250m", "memory": "1Gi", "example.com/gpu": "2"}), json!({"cpu": "1"})),
        asks(json!({"cpu": "250m", "hugepages-2Mi": "4Mi"}), json!({}))]}));
    for (name, expected) in [
        ("pods", Some("1")),
        ("count/pods", Some("1")),
        ("cpu", Some("500m")),
        ("requests.cpu", Some("500m")),
        ("limits.cpu", Some("1")),
        ("limits.memory", Some("0")),
        ("memory", Some("1Gi")),
        ("requests.example.com/gpu", Some("2")),
        ("hugepages-2Mi", Some("4Mi")),
        ("requests.storage", None),
        ("gold.storageclass.storage.k8s.io/requests.storage", None),
        ("services", None),
        ("example.com/gpu", None),
    ] {
        assert_eq!(amount("pods", &plain, name).as_deref(), expected, "{name}");
    }
    let mut ended = plain;
    ended["status"] = json!({"phase": "Failed"});
    let now = ["pods", "count/pods", "cpu"].map(|name| amount("pods", &ended, name));
    assert_eq!(now.map(Option::unwrap_or_default), ["0", "1", "0"]);
    let sidecar = json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}});
    let layered = pod(json!({"containers": [asks(json!({"cpu": "1"}), json!({}))], "overhead": {"cpu": "100m"},
        "initContainers": [sidecar, asks(json!({"cpu": "2"}), json!({}))]}));
    assert_eq!(amount("pods", &layered, "cpu").as_deref(), Some("2600m"));
    assert_eq!(amount("pods", &layered, "limits.cpu").as_deref(), Some("0"));
    let whole =
        pod(json!({"containers": [asks(json!({"cpu": "1"}), json!({}))], "resources": {"requests": {"cpu": "3"}}}));
    assert_eq!(amount("pods", &whole, "cpu").as_deref(), Some("3"));
}

#[test]
fn services_claims_and_others() {
    let service = |kind: &str, more: Value| {
        let mut spec = json!({"type": kind, "ports": [{"port": 1}, {"port": 2}]});
        spec.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
        json!({"spec": spec})
    };
    let unopened = service("LoadBalancer", json!({"allocateLoadBalancerNodePorts": false}));
    for (object, expected) in [
        (service("ClusterIP", json!({})), ["1", "0", "0"]),
        (service("NodePort", json!({})), ["1", "2", "0"]),
        (service("LoadBalancer", json!({})), ["1", "2", "1"]),
        (unopened, ["1", "0", "1"]),
    ] {
        let names = ["services", "services.nodeports", "services.loadbalancers"];
        assert_eq!(names.map(|name| amount("services", &object, name).unwrap_or_default()), expected, "{object}");
    }
    let claim = json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "3Gi"}}}});
    for (name, expected) in [
        ("requests.storage", Some("3Gi")),
        ("persistentvolumeclaims", Some("1")),
        ("count/persistentvolumeclaims", Some("1")),
        ("gold.storageclass.storage.k8s.io/requests.storage", Some("3Gi")),
        ("gold.storageclass.storage.k8s.io/persistentvolumeclaims", Some("1")),
        ("tin.storageclass.storage.k8s.io/requests.storage", Some("0")),
        ("gold.storageclass.storage.k8s.io/other", None),
        ("requests.cpu", None),
    ] {
        assert_eq!(amount("persistentvolumeclaims", &claim, name).as_deref(), expected, "{name}");
    }
    for (resource, name, counted) in [
        ("configmaps", "configmaps", true),
        ("configmaps", "count/configmaps", true),
        ("deployments.apps", "count/deployments.apps", true),
        ("deployments.apps", "count/deployments.extensions", false),
        ("secrets", "configmaps", false),
    ] {
        assert_eq!(amount(resource, &json!({}), name).is_some(), counted, "{resource} {name}");
    }
}

#[test]
fn scopes_choose() {
    let near = |term: Value| json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}});
    let class = |operator: &str, values: Value| {
        let wanted = json!({"scopeName": "PriorityClass", "operator": operator, "values": values});
        json!({"scopeSelector": {"matchExpressions": [wanted]}})
    };
    let scoped = |scope: &str| json!({"scopes": [scope]});
    let busy = json!({"containers": [asks(json!({"memory": "1"}), json!({}))]});
    for (quota, spec, expected) in [
        (json!({}), json!({}), true),
        (scoped("Terminating"), json!({"activeDeadlineSeconds": 5}), true),
        (scoped("Terminating"), json!({}), false),
        (scoped("NotTerminating"), json!({}), true),
        (scoped("BestEffort"), json!({}), true),
        (scoped("BestEffort"), busy.clone(), false),
        (scoped("NotBestEffort"), busy, true),
        (scoped("NotBestEffort"), json!({"resources": {"limits": {"cpu": "1"}}}), true),
        (scoped("PriorityClass"), json!({"priorityClassName": "high"}), true),
        (scoped("PriorityClass"), json!({}), false),
        (class("In", json!(["high"])), json!({"priorityClassName": "high"}), true),
        (class("In", json!(["high"])), json!({"priorityClassName": "low"}), false),
        (class("NotIn", json!(["high"])), json!({}), true),
        (class("DoesNotExist", json!([])), json!({}), true),
        (scoped("CrossNamespacePodAffinity"), near(json!({"topologyKey": "h", "namespaces": ["b"]})), true),
        (scoped("CrossNamespacePodAffinity"), near(json!({"topologyKey": "h", "namespaceSelector": {}})), true),
        (scoped("CrossNamespacePodAffinity"), near(json!({"topologyKey": "h"})), false),
        (scoped("VolumeAttributesClass"), json!({}), false),
    ] {
        let quota_spec = ResourceQuotaSpec::deserialize(&quota).expect("a quota");
        let pod = Measured::read("pods", &pod(spec.clone())).expect("a pod");
        assert_eq!(pod.subject().within(&quota_spec), expected, "{quota} {spec}");
    }
    let of_class =
        json!({"scopeSelector": {"matchExpressions": [{"scopeName": "VolumeAttributesClass", "operator": "Exists"}]}});
    let spec = ResourceQuotaSpec::deserialize(&of_class).expect("a quota");
    let claim = Measured::read("persistentvolumeclaims", &json!({"spec": {"volumeAttributesClassName": "fast"}}));
    assert!(claim.expect("a claim").subject().within(&spec));
    assert!(!Subject::Other("configmaps").within(&spec));
}

fn quota(hard: Value, used: Value) -> ResourceQuota {
    let object = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used}});
    ResourceQuota::deserialize(&object).expect("a quota")
}

#[test]
fn what_does_not_fit_is_refused() {
    let asking = pod(json!({"containers": [asks(json!({"cpu": "1"}), json!({"cpu": "2"}))]}));
    let silent = pod(json!({"containers": [{"name": "b"}, {"name": "a"}], "initContainers": [{"name": "i"}]}));
    let cases = [
        (json!({"pods": "3"}), json!({"pods": "2"}), &silent, Ok(json!({"pods": "3"}))),
        (
            json!({"pods": "3"}),
            json!({"pods": "3"}),
            &silent,
            Err("exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"),
        ),
        (
            json!({"pods": "9", "limits.cpu": "3", "requests.cpu": "1500m"}),
            json!({"pods": "1", "limits.cpu": "1500m", "requests.cpu": "1"}),
            &asking,
            Err(
                "exceeded quota: q, requested: limits.cpu=2,requests.cpu=1, used: limits.cpu=1500m,requests.cpu=1, limited: limits.cpu=3,requests.cpu=1500m",
            ),
        ),
        (
            json!({"limits.cpu": "3", "memory": "1Gi"}),
            json!({"limits.cpu": "0", "memory": "0"}),
            &silent,
            Err("failed quota: q: must specify limits.cpu for: a,b,i; memory for: a,b,i"),
        ),
        (json!({"pods": "3", "secrets": "1"}), json!({}), &silent, Err("status unknown for quota: q, resources: pods")),
        (json!({"secrets": "0"}), json!({}), &silent, Ok(json!({}))),
    ];
    for (hard, used, object, expected) in cases {
        let object = Measured::read("pods", object).expect("a pod");
        let done = charge(&quota(hard.clone(), used), object.subject(), None);
        assert_eq!(done.map(|used| json!(used)), expected.map_err(str::to_owned), "{hard}");
    }
}

#[test]
fn a_change_is_charged_by_what_it_adds() {
    let claim = |size: &str| {
        let object = json!({"spec": {"resources": {"requests": {"storage": size}}}});
        Measured::read("persistentvolumeclaims", &object).expect("a claim")
    };
    let quota = quota(
        json!({"requests.storage": "10Gi", "persistentvolumeclaims": "1"}),
        json!({"requests.storage": "8Gi", "persistentvolumeclaims": "1"}),
    );
    let change = |to: &str| charge(&quota, claim(to).subject(), Some(claim("5Gi").subject()));
    assert_eq!(change("7Gi").map(|used| json!(used)), Ok(json!({"requests.storage": "10Gi"})));
    assert_eq!(change("5Gi").map(|used| used.len()), Ok(0));
    assert_eq!(change("1Gi").map(|used| used.len()), Ok(0));
    let why = "exceeded quota: q, requested: requests.storage=3Gi, used: requests.storage=8Gi, limited: requests.storage=10Gi";
    assert_eq!(change("8Gi"), Err(why.to_owned()));
}
