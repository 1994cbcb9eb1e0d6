//! The verbs over a backend in memory.

use super::*;
use crate::{memory::Memory, user::User};
use podium_kinds::by_resource;
use serde_json::{Value, json};

fn api() -> (Api, Arc<Memory>, User) {
    let memory = Memory::new();
    let pair = rcgen::KeyPair::generate().unwrap();
    let tokens = Tokens::new(&pair.serialize_pem(), &pair.public_key_pem()).unwrap();
    (Api::new(memory.clone(), ApiConfig::default(), Some(tokens)), memory, User::system("test"))
}

fn kind(resource: &str) -> &'static Kind {
    by_resource(resource).unwrap()
}

async fn create(api: &Api, resource: &str, object: Value) -> Result<Value, ApiError> {
    let done = api.create(&User::system("t"), kind(resource), "default", object, &WriteOptions::default()).await;
    done.map(|w| w.object.value())
}

async fn merge(api: &Api, resource: &str, sub: &str, name: &str, patch: Value) -> Result<Value, ApiError> {
    let key = Key::new(if kind(resource).namespaced { "default" } else { "" }, name);
    let patch = Patch::Merge(patch);
    let done = api.patch(&User::system("t"), kind(resource), &key, sub, &patch, &WriteOptions::default()).await;
    done.map(|w| w.object.value())
}

async fn delete(api: &Api, resource: &str, name: &str, options: DeleteOptions) -> Result<Deleted, ApiError> {
    let key = Key::new(if kind(resource).namespaced { "default" } else { "" }, name);
    api.delete(&User::system("t"), kind(resource), &key, &options).await
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn code(result: Result<impl std::fmt::Debug, ApiError>) -> (u16, String) {
    let error = result.unwrap_err();
    (error.code, error.message)
}

#[tokio::test]
async fn create_sets_what_the_server_owns() {
    let (api, _, _) = api();
    let sent = json!({"metadata": {"generateName": "a-", "uid": "mine", "deletionTimestamp": "x"}, "data": {"k": "v"}});
    let made = create(&api, "configmaps", sent.clone()).await.unwrap();
    let metadata = &made["metadata"];
    assert!(metadata["name"].as_str().unwrap().starts_with("a-"));
    assert_eq!(metadata["name"].as_str().unwrap().len(), 7);
    assert_ne!(metadata["uid"], "mine");
    assert!(metadata["deletionTimestamp"].is_null() && metadata["creationTimestamp"].is_string());
    assert_eq!(
        (&made["kind"], &made["apiVersion"], &metadata["namespace"]),
        (&json!("ConfigMap"), &json!("v1"), &json!("default"))
    );
    assert_ne!(create(&api, "configmaps", sent).await.unwrap()["metadata"]["name"], metadata["name"]);
    let again = create(&api, "configmaps", json!({"metadata": {"name": metadata["name"]}})).await;
    assert_eq!(code(again).0, 409);
}

#[tokio::test]
async fn bad_input_is_refused_and_stores_nothing() {
    let (api, memory, user) = api();
    let before = memory.revision();
    for (object, expected) in [
        (json!({}), 422),
        (json!([]), 400),
        (json!({"metadata": 7}), 400),
        (json!({"metadata": {"name": "A b"}}), 422),
        (json!({"metadata": {"name": "a/b"}}), 422),
        (json!({"metadata": {"name": "a", "labels": {"a b": "c"}}}), 422),
        (json!({"metadata": {"name": "a", "namespace": "other"}}), 400),
        (json!({"metadata": {"name": "a", "resourceVersion": "1"}}), 400),
    ] {
        assert_eq!(code(create(&api, "configmaps", object.clone()).await).0, expected, "{object}");
    }
    let elsewhere = api
        .create(&user, kind("configmaps"), "nowhere", json!({"metadata": {"name": "a"}}), &WriteOptions::default())
        .await;
    assert_eq!(code(elsewhere), (404, "namespaces \"nowhere\" not found".to_owned()));
    assert_eq!(memory.revision(), before);
}

#[tokio::test]
async fn updates_keep_preconditions_and_no_ops_do_not_write() {
    let (api, memory, user) = api();
    let made = create(&api, "configmaps", json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).await.unwrap();
    let key = Key::new("default", "a");
    let options = WriteOptions::default();
    let revision = memory.revision();
    let same = api.update(&user, kind("configmaps"), &key, "", made.clone(), &options).await.unwrap();
    assert_eq!((memory.revision(), same.object.revision), (revision, revision));
    let mut changed = made.clone();
    changed["data"]["k"] = json!("w");
    api.update(&user, kind("configmaps"), &key, "", changed.clone(), &options).await.unwrap();
    let stale = api.update(&user, kind("configmaps"), &key, "", changed.clone(), &options).await;
    let (status, message) = code(stale);
    assert!(status == 409 && message.contains("the object has been modified"), "{message}");
    changed["metadata"]["resourceVersion"] = json!("");
    changed["metadata"]["uid"] = json!("other");
    let other = api.update(&user, kind("configmaps"), &key, "", changed, &options).await;
    assert!(code(other).1.contains("Precondition failed: UID"));
    let missing = api.update(&user, kind("configmaps"), &Key::new("default", "b"), "", json!({}), &options).await;
    assert_eq!(code(missing).0, 404);
}

#[tokio::test]
async fn concurrent_patches_all_land() {
    let (api, _, _) = api();
    create(&api, "configmaps", json!({"metadata": {"name": "a"}})).await.unwrap();
    let names: Vec<String> = (0..8).map(|i| format!("k{i}")).collect();
    let patches = names.iter().map(|n| merge(&api, "configmaps", "", "a", json!({"data": {n: "v"}})));
    futures_util::future::try_join_all(patches).await.unwrap();
    let object = api.get(kind("configmaps"), &Key::new("default", "a")).await.unwrap().value();
    assert_eq!(object["data"].as_object().unwrap().len(), 8);
}

#[tokio::test]
async fn status_and_spec_are_kept_apart() {
    let (api, _, _) = api();
    let made = create(&api, "pods", pod("a")).await.unwrap();
    assert_eq!(made["status"]["phase"], "Pending");
    let patched = merge(&api, "pods", "", "a", json!({"status": {"phase": "Running"}})).await.unwrap();
    assert_eq!(patched["status"]["phase"], "Pending");
    let wish = json!({"status": {"phase": "Running"}, "spec": {"containers": []}});
    let patched = merge(&api, "pods", "status", "a", wish).await.unwrap();
    assert_eq!(patched["status"]["phase"], "Running");
    assert_eq!(patched["spec"], made["spec"]);
    assert_eq!(patched["metadata"]["generation"], made["metadata"]["generation"]);
}

#[tokio::test]
async fn pods_run_as_an_account_that_exists() {
    let (api, _, _) = api();
    let made = create(&api, "pods", pod("a")).await.unwrap();
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    let volume = made["spec"]["volumes"][0]["name"].as_str().unwrap();
    assert!(volume.starts_with("kube-api-access-"));
    let mount = &made["spec"]["containers"][0]["volumeMounts"][0];
    assert_eq!(
        (&mount["name"], &mount["mountPath"]),
        (&json!(volume), &json!("/var/run/secrets/kubernetes.io/serviceaccount"))
    );
    let mut other = pod("b");
    other["spec"]["serviceAccountName"] = json!("nobody");
    let (status, message) = code(create(&api, "pods", other).await);
    assert_eq!(status, 403);
    assert!(message.ends_with("error looking up service account default/nobody: serviceaccount \"nobody\" not found"));
    let mut without = pod("c");
    without["spec"]["automountServiceAccountToken"] = json!(false);
    assert!(create(&api, "pods", without).await.unwrap()["spec"]["volumes"].is_null());
}

#[tokio::test]
async fn pods_go_in_two_steps_once_they_have_a_node() {
    let (api, memory, user) = api();
    create(&api, "pods", pod("free")).await.unwrap();
    assert!(delete(&api, "pods", "free", DeleteOptions::default()).await.unwrap().gone);
    create(&api, "pods", pod("bound")).await.unwrap();
    let key = Key::new("default", "bound");
    // Whoever says which node it was, means that one, as it is: this one is not ready yet.
    let node = create(&api, "nodes", json!({"metadata": {"name": "n"}})).await.unwrap();
    let told = [
        (json!("another"), "it is gone"),
        (node["metadata"]["uid"].clone(), "it has a taint that the pod does not tolerate"),
    ];
    for (uid, why) in told {
        let binding = json!({"target": {"kind": "Node", "name": "n", "uid": uid}});
        let (status, message) = code(api.bind(&user, &key, &binding, &WriteOptions::default()).await);
        assert_eq!(status, 409);
        assert!(message.ends_with(&format!("cannot be assigned to node \"n\": {why}")), "{message}");
    }
    let binding = json!({"target": {"kind": "Node", "name": "n"}});
    api.bind(&user, &key, &binding, &WriteOptions::default()).await.unwrap();
    assert_eq!(code(api.bind(&user, &key, &binding, &WriteOptions::default()).await).0, 409);
    let first = delete(&api, "pods", "bound", DeleteOptions::default()).await.unwrap();
    let marked = first.object.value();
    assert!(!first.gone);
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(marked["status"]["conditions"][0]["type"], "PodScheduled");
    let revision = memory.revision();
    delete(&api, "pods", "bound", DeleteOptions::default()).await.unwrap();
    assert_eq!(memory.revision(), revision);
    let now = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
    assert!(delete(&api, "pods", "bound", now).await.unwrap().gone);
    assert_eq!(code(delete(&api, "pods", "bound", DeleteOptions::default()).await).0, 404);
}

#[tokio::test]
async fn finalizers_hold_an_object_and_the_last_one_lets_it_go() {
    let (api, _, _) = api();
    create(&api, "configmaps", json!({"metadata": {"name": "a", "finalizers": ["x.io/f"]}})).await.unwrap();
    let wrong = DeleteOptions { uid: Some("other".into()), ..DeleteOptions::default() };
    assert_eq!(code(delete(&api, "configmaps", "a", wrong).await).0, 409);
    let foreground = DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
    let marked = delete(&api, "configmaps", "a", foreground).await.unwrap();
    assert!(!marked.gone);
    assert_eq!(marked.object.value()["metadata"]["finalizers"], json!(["x.io/f", "foregroundDeletion"]));
    let more = json!({"metadata": {"finalizers": ["x.io/f", "y.io/g"]}});
    assert_eq!(code(merge(&api, "configmaps", "", "a", more).await).0, 422);
    merge(&api, "configmaps", "", "a", json!({"metadata": {"finalizers": ["x.io/f"]}})).await.unwrap();
    merge(&api, "configmaps", "", "a", json!({"metadata": {"finalizers": null}})).await.unwrap();
    assert!(api.peek(kind("configmaps"), &Key::new("default", "a")).is_none());
}

#[tokio::test]
async fn namespaces_are_finalized() {
    let (api, _, user) = api();
    let made =
        api.create(&user, kind("namespaces"), "", json!({"metadata": {"name": "n"}}), &WriteOptions::default()).await;
    assert_eq!(made.unwrap().object.value()["spec"]["finalizers"], json!(["kubernetes"]));
    let marked = delete(&api, "namespaces", "n", DeleteOptions::default()).await.unwrap();
    assert_eq!(marked.object.value()["status"]["phase"], "Terminating");
    let late =
        api.create(&user, kind("configmaps"), "n", json!({"metadata": {"name": "a"}}), &WriteOptions::default()).await;
    let (status, message) = code(late);
    assert!(
        status == 403
            && message.ends_with("unable to create new content in namespace n because it is being terminated")
    );
    merge(&api, "namespaces", "finalize", "n", json!({"spec": {"finalizers": []}})).await.unwrap();
    assert!(api.peek(kind("namespaces"), &Key::new("", "n")).is_none());
    assert_eq!(code(delete(&api, "namespaces", "default", DeleteOptions::default()).await).0, 403);
}

#[tokio::test]
async fn services_get_addresses_and_ports_of_their_own() {
    let (api, _, _) = api();
    let service = |name: &str, spec: Value| {
        let mut object = json!({"metadata": {"name": name}, "spec": spec});
        object["spec"]["ports"] = json!([{"port": 80}]);
        object
    };
    let a = create(&api, "services", service("a", json!({"type": "NodePort"}))).await.unwrap();
    let ip = a["spec"]["clusterIP"].as_str().unwrap().to_owned();
    let port = a["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    assert!(ip.starts_with("10.96.") && (30000..=32767).contains(&port));
    assert_eq!(a["spec"]["clusterIPs"], json!([ip]));
    let taken = create(&api, "services", service("b", json!({"clusterIP": ip}))).await;
    assert!(code(taken).1.contains("provided IP is already allocated"));
    let outside = create(&api, "services", service("b", json!({"clusterIP": "10.1.0.1"}))).await;
    assert_eq!(code(outside).0, 422);
    let mut b = service("b", json!({"type": "NodePort"}));
    b["spec"]["ports"][0]["nodePort"] = json!(port);
    assert!(code(create(&api, "services", b.clone()).await).1.contains("provided port is already allocated"));
    delete(&api, "services", "a", DeleteOptions::default()).await.unwrap();
    assert_eq!(create(&api, "services", b).await.unwrap()["spec"]["ports"][0]["nodePort"], port);
    let headless = create(&api, "services", service("c", json!({"clusterIP": "None"}))).await.unwrap();
    assert_eq!(headless["spec"]["clusterIP"], "None");
    // An update that leaves them out keeps them.
    let kept =
        merge(&api, "services", "", "b", json!({"spec": {"clusterIP": null, "clusterIPs": null}})).await.unwrap();
    assert!(kept["spec"]["clusterIP"].is_string());
}

#[tokio::test]
async fn generation_counts_changes_of_the_spec() {
    let (api, _, user) = api();
    let labels = json!({"app": "a"});
    let object = json!({"metadata": {"name": "a"}, "spec": {"replicas": 2, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let made = create(&api, "deployments.apps", object).await.unwrap();
    assert_eq!(made["metadata"]["generation"], 1);
    let labelled = merge(&api, "deployments.apps", "", "a", json!({"metadata": {"labels": {"x": "y"}}})).await.unwrap();
    assert_eq!(labelled["metadata"]["generation"], 1);
    let (key, options) = (Key::new("default", "a"), WriteOptions::default());
    let deployments = kind("deployments.apps");
    assert_eq!(api.scale(deployments, &key).await.unwrap()["status"]["selector"], "app=a");
    let scale = api.set_scale(&user, deployments, &key, &json!({"spec": {"replicas": 5}}), &options).await.unwrap();
    assert_eq!(scale["spec"]["replicas"], 5);
    let object = api.get(deployments, &key).await.unwrap().value();
    assert_eq!((&object["metadata"]["generation"], &object["spec"]["replicas"]), (&json!(2), &json!(5)));
    let wrong = api.set_scale(&user, deployments, &key, &json!({"spec": {"replicas": -1}}), &options).await;
    assert_eq!(code(wrong).0, 422);
}

#[tokio::test]
async fn a_dry_run_does_everything_but_the_commit() {
    let (api, memory, user) = api();
    let options = WriteOptions { dry_run: true, ..WriteOptions::default() };
    let before = memory.revision();
    let made = api.create(&user, kind("pods"), "default", pod("a"), &options).await.unwrap().object.value();
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    assert!(made["metadata"]["resourceVersion"].is_null());
    assert_eq!(memory.revision(), before);
    create(&api, "pods", pod("a")).await.unwrap();
    let dry = DeleteOptions { dry_run: true, ..DeleteOptions::default() };
    assert!(delete(&api, "pods", "a", dry).await.unwrap().gone);
    assert!(api.peek(kind("pods"), &Key::new("default", "a")).is_some());
}

#[tokio::test]
async fn pages_show_one_moment_and_expire() {
    let (api, memory, _) = api();
    for name in ["a", "b", "c", "d"] {
        create(&api, "configmaps", json!({"metadata": {"name": name}})).await.unwrap();
    }
    let options = ListOptions { namespace: Some("default".into()), limit: 2, ..ListOptions::default() };
    let names = |page: &Page| page.objects.iter().map(|o| o.key.name.clone()).collect::<Vec<_>>();
    let first = api.list(kind("configmaps"), &options).await.unwrap();
    assert_eq!((names(&first), first.remaining), (vec!["a".to_owned(), "b".to_owned()], Some(2)));
    delete(&api, "configmaps", "c", DeleteOptions::default()).await.unwrap();
    let next = ListOptions { continue_token: first.continue_token.clone(), ..options.clone() };
    let second = api.list(kind("configmaps"), &next).await.unwrap();
    assert_eq!((names(&second), second.revision), (vec!["c".to_owned(), "d".to_owned()], first.revision));
    assert!(second.continue_token.is_empty());
    memory.compact();
    assert_eq!(api.list(kind("configmaps"), &next).await.err().map(|e| e.code), Some(410));
    let token = list::inconsistent(&first.continue_token).unwrap();
    let rest = api.list(kind("configmaps"), &ListOptions { continue_token: token, ..options }).await.unwrap();
    assert_eq!(names(&rest), ["d"]);
}

#[tokio::test]
async fn a_watch_with_a_selector_sees_objects_come_and_go() {
    let (api, _, _) = api();
    let since = api.backend().revision().to_string();
    let filter = crate::filter::Filter::parse(kind("configmaps"), "in=yes", "").unwrap();
    let options = WatchOptions { filter, resource_version: since, ..WatchOptions::default() };
    create(&api, "configmaps", json!({"metadata": {"name": "a"}})).await.unwrap();
    let mut watch = api.watch(kind("configmaps"), &options).await.unwrap();
    let label = |value: Value| merge(&api, "configmaps", "", "a", json!({"metadata": {"labels": {"in": value}}}));
    label(json!("yes")).await.unwrap();
    label(json!("no")).await.unwrap();
    label(json!("yes")).await.unwrap();
    merge(&api, "configmaps", "", "a", json!({"data": {"k": "v"}})).await.unwrap();
    delete(&api, "configmaps", "a", DeleteOptions::default()).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(match watch.next().await.unwrap() {
            WatchItem::Plain(event) => event.change,
            WatchItem::Seen(change, _) => change,
            other => panic!("{other:?}"),
        });
    }
    use podium_machinery::state::Change::{Added, Deleted, Modified};
    assert_eq!(seen, [Added, Deleted, Added, Modified, Deleted]);
}

#[tokio::test]
async fn tokens_are_bound_to_what_exists() {
    let (api, _, user) = api();
    let key = Key::new("default", "default");
    let made = create(&api, "pods", pod("a")).await.unwrap();
    let request =
        json!({"spec": {"audiences": [], "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "a"}}});
    let answer = api.token(&user, &key, &request, &WriteOptions::default()).await.unwrap();
    let token = answer["status"]["token"].as_str().unwrap();
    let now = api.backend().now().as_second();
    let claims = api.tokens().unwrap().verify(token, &[crate::auth::ISSUER], now).unwrap();
    assert_eq!(claims.bound.pod.unwrap().uid, made["metadata"]["uid"].as_str().unwrap());
    let reader = crate::auth::authenticate::TokenReader::default();
    assert_eq!(reader.user(&api, token).unwrap().name, "system:serviceaccount:default:default");
    delete(&api, "pods", "a", DeleteOptions::default()).await.unwrap();
    assert_eq!(reader.user(&api, token).unwrap_err().code, 401);
    let short = json!({"spec": {"expirationSeconds": 5}});
    assert_eq!(code(api.token(&user, &key, &short, &WriteOptions::default()).await).0, 422);
}

#[tokio::test]
async fn a_store_that_refuses_is_explained() {
    use podium_machinery::state::WriteError;
    let (api, memory, _) = api();
    let table = [(WriteError::Unavailable, 503), (WriteError::Overloaded, 429), (WriteError::Unknown, 504)];
    for (error, expected) in table {
        *memory.refuse.lock().unwrap() = Some(error);
        assert_eq!(code(create(&api, "configmaps", json!({"metadata": {"name": "a"}})).await).0, expected);
    }
}
