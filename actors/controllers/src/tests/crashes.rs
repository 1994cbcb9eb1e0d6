//! Every scenario here is played once to count its writes, and then once for each of them, with the controllers killed
//! right before it: what is there in the end must be the same.

use super::harness::{crash, images};
use crate::{
    Controller,
    aggregation::AggregationController,
    cronjob::CronJobController,
    deployment::DeploymentController,
    disruption::DisruptionController,
    endpoints::{EndpointSliceController, EndpointSliceMirroringController, EndpointsController},
    eventttl::EventTtlController,
    garbagecollector::GarbageCollector,
    job::JobController,
    model::Model,
    namespace::NamespaceController,
    nodeipam::NodeIpamController,
    nodelifecycle::NodeLifecycleController,
    podgc::PodGcController,
    pods,
    replicaset::ReplicaSetController,
    replicaset::ReplicationController,
    resource,
    resourcequota::ResourceQuotaController,
    rootca::RootCaController,
    serviceaccount::ServiceAccountController,
    tokens::TokensController,
};
use podium_machinery::state::Change;
use podium_types::meta;
use serde_json::{Value, json};

/// Lets controllers go on until all rests.
pub(super) type Go<'a> = &'a mut dyn FnMut(&mut Model, &[&dyn Controller]);

/// Plays `scenario` with a crash before each of its writes, which are more than `least`; `picture` is what must be the
/// same in the end.
pub(super) fn same_end(least: usize, scenario: impl Fn(&mut Model, Go<'_>), picture: impl Fn(&Model) -> Value) {
    let run = |at: usize| {
        let mut model = Model::new(1);
        model.lingering = true;
        let writes = crash(at, |go| scenario(&mut model, go));
        (writes, picture(&model))
    };
    let (writes, expected) = run(usize::MAX);
    assert!(writes > least, "{writes} writes: {expected}");
    for at in 0..writes {
        assert_eq!(run(at).1, expected, "killed before write {at} of {writes}");
    }
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "v1",
        "resources": {"requests": {"cpu": "250m"}}}]}})
}

fn replicas(kind: &str, count: i32) -> Value {
    let selector =
        if kind == "ReplicationController" { json!({"app": "web"}) } else { json!({"matchLabels": {"app": "web"}}) };
    let version = if kind == "ReplicationController" { "v1" } else { "apps/v1" };
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": count, "selector": selector, "template": template()}})
}

fn status(model: &Model, resource: &str, name: &str) -> Value {
    model.get(resource, "default", name).unwrap()["status"].clone()
}

/// The fields of a value that do not tell the time.
fn fields(value: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| value[*name].clone()).collect()
}

/// The images of the pods that count, without their random names.
fn kinds_of_pods(model: &Model) -> Vec<String> {
    let mut all: Vec<String> = images(model).into_iter().map(|(_, image)| image).collect();
    all.sort();
    all
}

#[test]
fn deployments() {
    const ALL: &[&dyn Controller] = &[&DeploymentController, &ReplicaSetController];
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "v2"}]}}}});
    same_end(
        20,
        |model, go| {
            let mut made = replicas("Deployment", 3);
            made["spec"]["strategy"] =
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}});
            model.create(resource::DEPLOYMENTS, made);
            go(model, ALL);
            model.patch(resource::DEPLOYMENTS, "default", "web", &image);
            go(model, ALL);
            model.patch(resource::DEPLOYMENTS, "default", "web", &json!({"spec": {"replicas": 2}}));
            go(model, ALL);
        },
        |model| {
            let counts = ["replicas", "readyReplicas", "updatedReplicas", "observedGeneration"];
            let sets: Vec<Value> = model
                .list(resource::REPLICA_SETS)
                .iter()
                .map(|set| json!([meta::name(set), set["spec"]["replicas"], set["status"]["replicas"]]))
                .collect();
            json!([kinds_of_pods(model), sets, fields(&status(model, resource::DEPLOYMENTS, "web"), &counts)])
        },
    );
}

#[test]
fn replication_controllers() {
    same_end(
        6,
        |model, go| {
            model.create(resource::REPLICATION_CONTROLLERS, replicas("ReplicationController", 3));
            go(model, &[&ReplicationController]);
            model.patch(resource::REPLICATION_CONTROLLERS, "default", "web", &json!({"spec": {"replicas": 1}}));
            go(model, &[&ReplicationController]);
        },
        |model| json!([kinds_of_pods(model), status(model, resource::REPLICATION_CONTROLLERS, "web")]),
    );
}

/// Ends the pods that run, well.
fn succeed(model: &mut Model) {
    let running: Vec<_> = model.view.pods.all().filter(|pod| pods::active(pod)).map(|pod| pod.key().clone()).collect();
    for key in running {
        model.patch(resource::PODS, &key.namespace, &key.name, &json!({"status": {"phase": "Succeeded"}}));
    }
}

fn work(spec: Value) -> Value {
    let template = json!({"metadata": {"labels": {"job": "1"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "v1"}]}});
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"job": "1"}}, "template": template}});
    for (name, value) in spec.as_object().unwrap() {
        job["spec"][name] = value.clone();
    }
    job
}

#[test]
fn jobs() {
    for mode in ["Indexed", "NonIndexed"] {
        same_end(
            10,
            |model, go| {
                let spec = json!({"completions": 3, "parallelism": 2, "completionMode": mode, "backoffLimit": 6});
                model.create(resource::JOBS, work(spec));
                for _ in 0..2 {
                    go(model, &[&JobController]);
                    succeed(model);
                }
                go(model, &[&JobController]);
            },
            |model| {
                let status = status(model, resource::JOBS, "work");
                let conditions = status["conditions"].as_array().into_iter().flatten();
                let conditions: Vec<Value> = conditions.map(|c| fields(c, &["type", "status", "reason"])).collect();
                // Every pod was counted once, and none is held any longer.
                let held = model.list(resource::PODS).iter().filter(|p| meta::finalizers(p).next().is_some()).count();
                assert_eq!((&status["succeeded"], held), (&json!(3), 0), "{mode}");
                json!([fields(&status, &["active", "succeeded", "failed", "completedIndexes"]), conditions])
            },
        );
    }
}

#[test]
fn cron_jobs() {
    const ALL: &[&dyn Controller] = &[&CronJobController, &JobController];
    same_end(
        8,
        |model, go| {
            let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob",
                "metadata": {"name": "tick", "namespace": "default"},
                "spec": {"schedule": "*/5 * * * *", "concurrencyPolicy": "Forbid", "successfulJobsHistoryLimit": 1,
                    "failedJobsHistoryLimit": 1, "jobTemplate": {"spec": work(json!({"completions": 1,
                        "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed"}))["spec"]}}});
            model.create(resource::CRON_JOBS, cron);
            let start = model.now;
            for turn in 1..=3 {
                // Each turn begins at its time, however long the one before took.
                model.now = crate::time::after(start, turn * 300).unwrap();
                go(model, ALL);
                succeed(model);
                go(model, ALL);
            }
        },
        |model| {
            let jobs: Vec<String> = model.list(resource::JOBS).iter().map(|job| meta::name(job).to_owned()).collect();
            json!([jobs, status(model, resource::CRON_JOBS, "tick")["lastScheduleTime"]])
        },
    );
}

#[test]
fn budgets_quotas_and_slices() {
    const ALL: &[&dyn Controller] =
        &[&ReplicaSetController, &DisruptionController, &ResourceQuotaController, &EndpointSliceController];
    same_end(
        12,
        |model, go| {
            model.create(resource::REPLICA_SETS, replicas("ReplicaSet", 3));
            let metadata = json!({"name": "web", "namespace": "default"});
            let budget = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}});
            let service = json!({"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"],
                "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]});
            for (resource, version, kind, spec) in [
                (resource::BUDGETS, "policy/v1", "PodDisruptionBudget", budget),
                ("resourcequotas", "v1", "ResourceQuota", json!({"hard": {"pods": "9", "requests.cpu": "4"}})),
                ("services", "v1", "Service", service),
            ] {
                let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
                model.create(crate::resource::lookup(resource).unwrap(), object);
            }
            go(model, ALL);
            model.patch(resource::REPLICA_SETS, "default", "web", &json!({"spec": {"replicas": 2}}));
            go(model, ALL);
        },
        |model| {
            let budget = status(model, resource::BUDGETS, "web");
            let slices = model.list("endpointslices.discovery.k8s.io");
            let endpoints: usize = slices.iter().map(|s| s["endpoints"].as_array().map_or(0, Vec::len)).sum();
            assert!(endpoints > 0, "{slices:?}");
            json!([
                fields(&budget, &["disruptionsAllowed", "currentHealthy", "expectedPods"]),
                status(model, "resourcequotas", "web"),
                slices.len(),
                endpoints
            ])
        },
    );
}

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

#[test]
fn the_garbage_collector() {
    same_end(
        3,
        |model, go| {
            for (owner, finalizers) in
                [("back", json!([])), ("front", json!(["foregroundDeletion"])), ("lone", json!(["orphan"]))]
            {
                config_map(model, owner, None, finalizers);
                for child in ["a", "b"] {
                    config_map(model, &format!("{owner}-{child}"), Some(owner), json!([]));
                }
            }
            model.advance(60);
            for owner in ["back", "front", "lone"] {
                model.delete(resource::CONFIG_MAPS, "default", owner);
            }
            go(model, &[&GarbageCollector]);
        },
        |model| {
            let left = model.list(resource::CONFIG_MAPS);
            let left: Vec<Value> =
                left.iter().map(|map| fields(&map["metadata"], &["name", "ownerReferences", "finalizers"])).collect();
            json!(left)
        },
    );
}

#[test]
fn namespaces() {
    let ca = RootCaController::new("PEM");
    let all: &[&dyn Controller] = &[&ServiceAccountController, &ca, &NamespaceController];
    same_end(
        4,
        |model, go| {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
            model.create(resource::NAMESPACES, object);
            go(model, all);
            let mut team = model.get(resource::NAMESPACES, "", "team").unwrap();
            team["metadata"]["deletionTimestamp"] = json!("2023-11-14T22:13:20Z");
            model.put(resource::NAMESPACES, team, Change::Modified);
            go(model, all);
        },
        |model| {
            let team = model.get(resource::NAMESPACES, "", "team").unwrap();
            let left = [resource::CONFIG_MAPS, resource::SERVICE_ACCOUNTS].map(|kind| model.list(kind).len());
            assert_eq!(left, [0, 0]);
            json!([team["spec"], team["status"]["phase"]])
        },
    );
}

#[test]
fn token_secrets() {
    let tokens = TokensController::new("CA");
    let all: &[&dyn Controller] = &[&tokens];
    same_end(
        4,
        |model, go| {
            for name in ["robot", "leaver"] {
                let metadata = json!({"name": name, "namespace": "default"});
                model.create(
                    resource::SERVICE_ACCOUNTS,
                    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
                );
                let mut metadata = metadata;
                metadata["annotations"] = json!({"kubernetes.io/service-account.name": name});
                let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
                    "type": "kubernetes.io/service-account-token"});
                model.create(resource::SECRETS, secret);
            }
            go(model, all);
            // Something is taken away from one, and the account of the other.
            for lost in [json!({"token": null}), json!({"ca.crt": null})] {
                model.patch(resource::SECRETS, "default", "robot", &json!({"data": lost}));
                go(model, all);
            }
            model.delete(resource::SERVICE_ACCOUNTS, "default", "leaver");
            go(model, all);
        },
        |model| {
            let secrets = model.list(resource::SECRETS);
            let filled = json!({"ca.crt": "Q0E=", "namespace": "ZGVmYXVsdA==", "token": "dG9rZW4gb2Ygcm9ib3Q="});
            assert_eq!(secrets.iter().map(|secret| &secret["data"]).collect::<Vec<_>>(), [&filled]);
            secrets.iter().map(|secret| fields(&secret["metadata"], &["name", "annotations"])).collect()
        },
    );
}

#[test]
fn nodes() {
    let ipam = NodeIpamController::new("10.244.0.0/16").unwrap();
    let all: &[&dyn Controller] = &[&ipam, &NodeLifecycleController];
    same_end(
        3,
        |model, go| {
            for name in ["a", "b", "c"] {
                let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}});
                model.create(resource::NODES, object);
            }
            go(model, all);
        },
        |model| {
            let nodes = model.list(resource::NODES);
            let mut ranges: Vec<&str> = nodes.iter().filter_map(|node| node["spec"]["podCIDR"].as_str()).collect();
            ranges.sort_unstable();
            ranges.dedup();
            assert_eq!(ranges.len(), 3, "each node has a range of its own");
            let taints = |node: &Value| {
                let taints = node["spec"]["taints"].as_array().into_iter().flatten();
                taints.map(|taint| fields(taint, &["key", "effect"])).collect::<Value>()
            };
            json!([ranges, nodes.iter().map(taints).collect::<Vec<_>>()])
        },
    );
}

#[test]
fn endpoints_and_their_mirror() {
    const ALL: &[&dyn Controller] = &[&ReplicaSetController, &EndpointsController, &EndpointSliceMirroringController];
    same_end(
        8,
        |model, go| {
            model.create(resource::REPLICA_SETS, replicas("ReplicaSet", 2));
            for (name, selector) in [("web", json!({"app": "web"})), ("own", Value::Null)] {
                let spec = json!({"selector": selector, "ports": [{"port": 80, "protocol": "TCP"}]});
                let service = json!({"apiVersion": "v1", "kind": "Service",
                    "metadata": {"name": name, "namespace": "default"}, "spec": spec});
                model.create(resource::SERVICES, service);
            }
            let endpoints = |ips: &[&str]| {
                let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
                json!({"subsets": [{"addresses": addresses, "ports": [{"port": 80, "protocol": "TCP"}]}]})
            };
            let mut own = endpoints(&["10.0.0.1", "fd00::1"]);
            own["metadata"] = json!({"name": "own", "namespace": "default"});
            model.create(resource::ENDPOINTS, own);
            go(model, ALL);
            model.patch(resource::ENDPOINTS, "default", "own", &endpoints(&["10.0.0.2"]));
            model.patch(resource::REPLICA_SETS, "default", "web", &json!({"spec": {"replicas": 1}}));
            go(model, ALL);
        },
        |model| {
            let web = model.get(resource::ENDPOINTS, "default", "web").unwrap();
            let slices = model.list(resource::ENDPOINT_SLICES);
            let slices: Vec<Value> = slices.iter().map(|s| fields(s, &["addressType", "endpoints", "ports"])).collect();
            json!([web["subsets"][0]["addresses"].as_array().map(Vec::len), slices])
        },
    );
}

#[test]
fn what_is_left_behind() {
    const ALL: &[&dyn Controller] = &[&PodGcController, &EventTtlController];
    same_end(
        8,
        |model, go| {
            for name in ["a", "b", "c"] {
                let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "nowhere", "containers": []},
                    "metadata": {"name": name, "namespace": "default"}});
                model.create(resource::PODS, pod.clone());
                pod["kind"] = json!("Event");
                model.create(resource::EVENTS, pod);
            }
            model.advance(2 * crate::eventttl::TTL_SECONDS);
            go(model, ALL);
        },
        |model| {
            let left = [resource::PODS, resource::EVENTS].map(|kind| model.list(kind).len());
            assert_eq!(left, [0, 0]);
            json!(left)
        },
    );
}

#[test]
fn aggregated_roles() {
    let role = |name: &str, label: &str| {
        json!({"metadata": {"name": name, "labels": {label: "true"}},
            "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": [name]}]})
    };
    same_end(
        1,
        |model, go| {
            let mut sum = role("sum", "none");
            sum["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"to-sum": "true"}}]});
            sum["rules"] = json!([]);
            model.create(resource::CLUSTER_ROLES, sum);
            for name in ["pods", "services"] {
                model.create(resource::CLUSTER_ROLES, role(name, "to-sum"));
                go(model, &[&AggregationController]);
            }
        },
        |model| {
            let rules = model.get(resource::CLUSTER_ROLES, "", "sum").unwrap()["rules"].clone();
            assert_eq!(rules.as_array().map(Vec::len), Some(2));
            rules
        },
    );
}
