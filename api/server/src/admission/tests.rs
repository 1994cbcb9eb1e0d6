//! Admission through the verbs: what is filled in, refused, warned of, and charged.

use crate::{
    User,
    backend::Backend,
    memory::Memory,
    verbs::{Api, ApiConfig, Patch, WriteOptions},
};
use podium_kinds::{Kind, by_resource};
use podium_types::{ApiError, Key, Quantity, meta};
use serde_json::{Value, json};
use std::sync::Arc;

fn kind(resource: &str) -> &'static Kind {
    by_resource(resource).unwrap()
}

fn api() -> (Api, Arc<Memory>) {
    let memory = Memory::new();
    (Api::new(memory.clone(), ApiConfig::default(), None), memory)
}

async fn create(api: &Api, resource: &str, object: Value) -> Result<(Value, Vec<String>), ApiError> {
    let kind = kind(resource);
    let namespace = if kind.namespaced { "default" } else { "" };
    let done = api.create(&User::system("t"), kind, namespace, object, &WriteOptions::default()).await;
    done.map(|written| (written.object.value(), written.warnings))
}

async fn made(api: &Api, resource: &str, object: Value) -> Value {
    create(api, resource, object).await.unwrap().0
}

async fn why(api: &Api, resource: &str, object: Value) -> String {
    let error = create(api, resource, object).await.unwrap_err();
    assert_eq!((error.code, error.reason.as_ref()), (403, "Forbidden"), "{error}");
    error.message
}

async fn merge(
    api: &Api,
    resource: &str,
    sub: &str,
    name: &str,
    patch: Value,
) -> Result<(Value, Vec<String>), ApiError> {
    let kind = kind(resource);
    let key = Key::new(if kind.namespaced { "default" } else { "" }, name);
    let (user, options) = (User::system("t"), WriteOptions::default());
    let done = api.patch(&user, kind, &key, sub, &Patch::Merge(patch), &options).await;
    done.map(|written| (written.object.value(), written.warnings))
}

fn pod(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    if spec["containers"].is_null() {
        spec["containers"] = json!([{"name": "c", "image": "i"}]);
    }
    json!({"metadata": {"name": name}, "spec": spec})
}

fn sized(name: &str, requests: Value, limits: Value) -> Value {
    pod(
        name,
        json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": requests, "limits": limits}}]}),
    )
}

/// Makes a quota whose controller has counted nothing yet used.
async fn quota(api: &Api, name: &str, mut spec: Value) {
    let hard = spec["hard"].take();
    spec["hard"] = hard.clone();
    made(api, "resourcequotas", json!({"metadata": {"name": name}, "spec": spec})).await;
    let used: serde_json::Map<String, Value> =
        hard.as_object().unwrap().keys().map(|k| (k.clone(), json!("0"))).collect();
    merge(api, "resourcequotas", "status", name, json!({"status": {"hard": hard, "used": used}})).await.unwrap();
}

fn used(api: &Api, name: &str, what: &str) -> String {
    let quota = api.peek(kind("resourcequotas"), &Key::new("default", name)).unwrap().value();
    quota["status"]["used"][what].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn priorities_come_from_classes() {
    let (api, _) = api();
    let class = |name: &str, value: i64, more: Value| {
        let mut class = json!({"metadata": {"name": name}, "value": value});
        class.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        class
    };
    const CLASSES: &str = "priorityclasses.scheduling.k8s.io";
    let plain = made(&api, "pods", pod("plain", json!({}))).await;
    assert_eq!(
        (&plain["spec"]["priority"], &plain["spec"]["preemptionPolicy"]),
        (&json!(0), &json!("PreemptLowerPriority"))
    );
    made(&api, CLASSES, class("high", 1000, json!({"preemptionPolicy": "Never"}))).await;
    let high = made(&api, "pods", pod("high", json!({"priorityClassName": "high"}))).await;
    assert_eq!((&high["spec"]["priority"], &high["spec"]["preemptionPolicy"]), (&json!(1000), &json!("Never")));
    let system = made(&api, "pods", pod("system", json!({"priorityClassName": "system-node-critical"}))).await;
    assert_eq!(system["spec"]["priority"], 2_000_001_000);
    assert_eq!(
        why(&api, "pods", pod("none", json!({"priorityClassName": "none"}))).await,
        "pods \"none\" is forbidden: no PriorityClass with name none was found"
    );
    let said = why(&api, "pods", pod("own", json!({"priority": 5}))).await;
    assert!(said.contains(
        "the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0"
    ));
    made(&api, CLASSES, class("usual", 10, json!({"globalDefault": true}))).await;
    let usual = made(&api, "pods", pod("usual", json!({}))).await;
    assert_eq!((&usual["spec"]["priorityClassName"], &usual["spec"]["priority"]), (&json!("usual"), &json!(10)));
    assert_eq!(
        why(&api, CLASSES, class("other", 11, json!({"globalDefault": true}))).await,
        "priorityclasses.scheduling.k8s.io \"other\" is forbidden: PriorityClass usual is already marked as default. \
         Only one default can exist"
    );
    let same = merge(&api, CLASSES, "", "usual", json!({"description": "mine"})).await;
    assert!(same.is_ok(), "the default itself may change: {same:?}");
    // Who writes a pod without its priority does not take it away.
    let mut bare = usual.clone();
    for field in ["priority", "preemptionPolicy"] {
        bare["spec"].as_object_mut().unwrap().remove(field);
    }
    bare["metadata"]["labels"] = json!({"a": "b"});
    let key = Key::new("default", "usual");
    let kept = api.update(&User::system("t"), kind("pods"), &key, "", bare, &WriteOptions::default()).await.unwrap();
    assert_eq!(kept.object.value()["spec"], usual["spec"]);
}

#[tokio::test]
async fn limit_ranges_complete_and_bound() {
    let (api, _) = api();
    let items = json!([{"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "250m"}},
        {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}]);
    made(&api, "limitranges", json!({"metadata": {"name": "l"}, "spec": {"limits": items}})).await;
    let done = made(&api, "pods", pod("a", json!({}))).await;
    assert_eq!(
        done["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "250m"}})
    );
    assert_eq!(
        done["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    );
    assert_eq!(done["status"]["qosClass"], "Burstable", "as it is after the limits");
    assert_eq!(
        why(&api, "pods", sized("b", json!({}), json!({"cpu": "2"}))).await,
        "pods \"b\" is forbidden: [maximum cpu usage per Container is 1, but limit is 2]".replace(['[', ']'], "")
    );
    let claim = |size: &str| {
        let resources = json!({"requests": {"storage": size}});
        json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": resources}})
    };
    assert_eq!(
        why(&api, "persistentvolumeclaims", claim("2Gi")).await,
        "persistentvolumeclaims \"c\" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"
    );
    made(&api, "persistentvolumeclaims", claim("1Gi")).await;
}

#[tokio::test]
async fn quotas_are_charged_with_the_write() {
    let (api, memory) = api();
    quota(
        &api,
        "q",
        json!({"hard": {"pods": "2", "limits.cpu": "3", "count/configmaps": "1", "services.nodeports": "2"}}),
    )
    .await;
    quota(&api, "best", json!({"hard": {"pods": "0"}, "scopes": ["BestEffort"]})).await;
    let one = |name: &str| sized(name, json!({"cpu": "1"}), json!({"cpu": "1"}));
    assert_eq!(
        why(&api, "pods", pod("a", json!({}))).await,
        "pods \"a\" is forbidden: exceeded quota: best, requested: pods=1, used: pods=0, limited: pods=0"
    );
    let silent = sized("a", json!({"cpu": "1"}), json!({}));
    assert_eq!(
        why(&api, "pods", silent).await,
        "pods \"a\" is forbidden: failed quota: q: must specify limits.cpu for: c"
    );
    let rehearsal = WriteOptions { dry_run: true, ..WriteOptions::default() };
    let before = memory.revision();
    api.create(&User::system("t"), kind("pods"), "default", one("a"), &rehearsal).await.unwrap();
    assert_eq!(memory.revision(), before, "a dry run charges nothing");
    made(&api, "pods", one("a")).await;
    assert_eq!((used(&api, "q", "pods"), used(&api, "q", "limits.cpu")), ("1".into(), "1".into()));
    let large = sized("b", json!({"cpu": "1"}), json!({"cpu": "2500m"}));
    assert_eq!(
        why(&api, "pods", large.clone()).await,
        "pods \"b\" is forbidden: exceeded quota: q, requested: limits.cpu=2500m, used: limits.cpu=1, limited: limits.cpu=3"
    );
    let error = api.create(&User::system("t"), kind("pods"), "default", large, &rehearsal).await.unwrap_err();
    assert_eq!(error.code, 403, "a dry run is refused like the write itself");
    made(&api, "pods", one("b")).await;
    assert!(why(&api, "pods", one("c")).await.contains("requested: pods=1, used: pods=2, limited: pods=2"));

    made(&api, "configmaps", json!({"metadata": {"name": "m"}})).await;
    assert_eq!(
        why(&api, "configmaps", json!({"metadata": {"name": "n"}})).await,
        "configmaps \"n\" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1"
    );
    made(&api, "secrets", json!({"metadata": {"name": "not-limited"}})).await;

    // A Service that opens ports later is charged then, and by how many more.
    let ports = json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}, {"name": "c", "port": 3}]);
    made(&api, "services", json!({"metadata": {"name": "s"}, "spec": {"ports": ports}})).await;
    let error = merge(&api, "services", "", "s", json!({"spec": {"type": "NodePort"}})).await.unwrap_err();
    assert!(
        error
            .message
            .ends_with("requested: services.nodeports=3, used: services.nodeports=0, limited: services.nodeports=2")
    );
    let two = json!({"spec": {"type": "NodePort", "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}});
    merge(&api, "services", "", "s", two).await.unwrap();
    assert_eq!(used(&api, "q", "services.nodeports"), "2");
    merge(&api, "services", "", "s", json!({"metadata": {"labels": {"a": "b"}}})).await.unwrap();
    assert_eq!(used(&api, "q", "services.nodeports"), "2", "nothing more is used");
}

/// Counts again, as the quota controller does: from everything as it was at one revision.
async fn recount(api: &Api) {
    let (pods, quotas) = (kind("pods"), kind("resourcequotas"));
    let revision = api.backend().revision();
    let at = |kind| api.backend().snapshot_at(kind, revision).unwrap();
    let count = at(pods).list(Some("default"), None).count();
    let mut quota = at(quotas).list(Some("default"), None).next().unwrap().value();
    quota["status"]["used"]["pods"] = json!(count.to_string());
    let key = Key::new("default", meta::name(&quota));
    // Somebody else may have charged it meanwhile; then this count is of no use.
    let _ = api.update(&User::system("controller"), quotas, &key, "status", quota, &WriteOptions::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_quota_is_exceeded_whatever_happens_at_once() {
    const HARD: usize = 12;
    let (first, memory) = api();
    quota(&first, "q", json!({"hard": {"pods": HARD.to_string()}})).await;
    // Several servers over one state do not know of each other's turns.
    let apis: Vec<Api> = (0..4).map(|_| Api::new(memory.clone(), ApiConfig::default(), None)).collect();
    let mut tasks = Vec::new();
    for i in 0..32 {
        let api = apis[i % apis.len()].clone();
        tasks.push(tokio::spawn(async move {
            let mut refused = 0;
            for round in 0..4 {
                match create(&api, "pods", pod(&format!("p{i}-{round}"), json!({}))).await {
                    Ok(_) if (i + round) % 3 == 0 => {
                        let key = Key::new("default", format!("p{i}-{round}"));
                        api.delete(&User::system("t"), kind("pods"), &key, &Default::default()).await.unwrap();
                    }
                    Ok(_) => {}
                    Err(error) => {
                        assert!(matches!(error.code, 403 | 429), "{error}");
                        refused += 1;
                    }
                }
                recount(&api).await;
                tokio::task::yield_now().await;
            }
            refused
        }));
    }
    let mut refused = 0;
    for task in tasks {
        refused += task.await.unwrap();
    }
    assert!(refused > 0, "32 clients must have met the limit");
    recount(&first).await;
    let mut most = 0;
    for revision in 0..=memory.revision() {
        let Some(pods) = first.backend().snapshot_at(kind("pods"), revision) else { continue };
        let count = pods.list(Some("default"), None).count();
        most = most.max(count);
        assert!(count <= HARD, "{count} pods at revision {revision}");
    }
    assert_eq!(most, HARD, "what is allowed is had");
    let there = first.backend().snapshot(kind("pods")).list(Some("default"), None).count();
    let used = Quantity::parse(&used(&first, "q", "pods")).unwrap();
    assert_eq!(used, Quantity::parse(&there.to_string()).unwrap());
}

#[tokio::test]
async fn pod_security_refuses_and_warns() {
    let (api, _) = api();
    let label = |level: &str| json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}});
    let privileged =
        pod("a", json!({"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": true}}]}));
    made(&api, "pods", privileged.clone()).await;
    let (_, warnings) = merge(&api, "namespaces", "", "default", label("baseline")).await.unwrap();
    assert_eq!(
        warnings,
        [
            "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a: privileged"
        ]
    );
    let error = merge(&api, "namespaces", "", "default", label("firm")).await.unwrap_err();
    assert_eq!(error.code, 422);
    let mut again = privileged;
    again["metadata"]["name"] = json!("b");
    assert_eq!(
        why(&api, "pods", again.clone()).await,
        "pods \"b\" is forbidden: violates PodSecurity \"baseline:latest\": privileged (container \"c\" must not set \
         securityContext.privileged=true)"
    );
    // Its labels may change; its image may not.
    merge(&api, "pods", "", "a", json!({"metadata": {"labels": {"a": "b"}}})).await.unwrap();
    let image = json!({"spec": {"containers": [{"name": "c", "image": "j", "securityContext": {"privileged": true}}]}});
    assert!(merge(&api, "pods", "", "a", image).await.is_err());
    // A workload is only warned of.
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": again["spec"]}}});
    let (_, warnings) = create(&api, "deployments.apps", deployment).await.unwrap();
    let expected = "would violate PodSecurity \"baseline:latest\": privileged \
        (container \"c\" must not set securityContext.privileged=true)";
    assert_eq!(warnings, [expected]);
}

#[tokio::test]
async fn defaults_of_nodes_claims_and_ingresses() {
    let (api, _) = api();
    let node = made(&api, "nodes", json!({"metadata": {"name": "n"}})).await;
    assert_eq!(node["spec"]["taints"], json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]));
    let class = |name: &str, annotation: &str, more: Value| {
        let mut class = json!({"metadata": {"name": name, "annotations": {annotation: "true"}}});
        class.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        class
    };
    let storage = class("fast", "storageclass.kubernetes.io/is-default-class", json!({"provisioner": "a.io/b"}));
    made(&api, "storageclasses.storage.k8s.io", storage).await;
    let ingresses =
        class("edge", "ingressclass.kubernetes.io/is-default-class", json!({"spec": {"controller": "a.io/b"}}));
    made(&api, "ingressclasses.networking.k8s.io", ingresses).await;
    let resources = json!({"requests": {"storage": "1Gi"}});
    let claim = json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": resources}});
    let claim = made(&api, "persistentvolumeclaims", claim).await;
    assert_eq!(claim["spec"]["storageClassName"], "fast");
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    let ingress = made(
        &api,
        "ingresses.networking.k8s.io",
        json!({"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}}),
    )
    .await;
    assert_eq!(ingress["spec"]["ingressClassName"], "edge");
    merge(&api, "persistentvolumeclaims", "status", "c", json!({"status": {"phase": "Bound"}})).await.unwrap();
    let larger = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let error = merge(&api, "persistentvolumeclaims", "", "c", larger.clone()).await.unwrap_err();
    assert!(
        error
            .message
            .starts_with("persistentvolumeclaims \"c\" is forbidden: only dynamically provisioned pvc can be resized"),
        "{error}"
    );
    merge(&api, "storageclasses.storage.k8s.io", "", "fast", json!({"allowVolumeExpansion": true})).await.unwrap();
    merge(&api, "persistentvolumeclaims", "", "c", larger).await.unwrap();
}
