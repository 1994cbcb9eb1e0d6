//! The server over real TLS on loopback.

use super::{server::*, tls};
use crate::{
    memory::Memory,
    pki::{PkiConfig, ensure},
    verbs::{Api, ApiConfig},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use std::{future::Future, net::SocketAddr, path::Path, sync::Arc, sync::atomic::Ordering, time::Duration};
use tokio::net::TcpStream;

mod access;
mod apply;
mod binary;
mod constrained;
mod discovery;
mod explain;
mod http2;
mod kinds;
mod options;
mod overload;
mod proxy;
mod reads;
mod relay;
mod spdy;
mod walk;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

struct Cluster {
    address: SocketAddr,
    memory: Arc<Memory>,
    pki: tempfile::TempDir,
    api: Api,
}

/// Runs `test` against a server that is stopped afterwards, whatever the test does.
fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Cluster) -> F) {
    actix_rt::System::new().block_on(async {
        let pki = tempfile::tempdir().unwrap();
        let config = PkiConfig {
            node_name: "n".into(),
            addresses: vec![],
            service_ip: "10.96.0.1".parse().unwrap(),
            api_port: 6443,
            kubeconfig: pki.path().join("kubeconfig"),
        };
        ensure(pki.path(), &config).unwrap();
        let memory = Memory::new();
        let tokens = crate::auth::Tokens::load(pki.path()).unwrap();
        let api = Api::new(memory.clone(), ApiConfig::default(), Some(tokens));
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(ServerConfig {
            listen,
            insight: Some(Arc::new(explain::Oracle)),
            ..ServerConfig::new(0, pki.path())
        })
        .unwrap();
        let address = server.address().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = actix_rt::spawn(server.serve(api.clone(), async move {
            let _ = stopped.await;
        }));
        tokio::time::timeout(Duration::from_secs(30), test(Cluster { address, memory, pki, api })).await.unwrap();
        drop(stop);
        tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap().unwrap();
    });
}

impl Cluster {
    async fn connect(&self, pki: Option<&Path>) -> http1::SendRequest<Full<Bytes>> {
        let mut config = tls::client(pki.unwrap_or(self.pki.path())).unwrap();
        if pki.is_none() {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(tls::roots(self.pki.path()).unwrap())
                .with_no_client_auth();
        }
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        actix_rt::spawn(connection);
        sender
    }
    async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.connect(Some(self.pki.path())).await.send_request(request).await.unwrap()
    }
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> (u16, Value) {
        let response = self.raw(method, path, headers, body).await;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()))
    }
    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, &[], "").await
    }
    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string()).await
    }
    async fn make(&self, name: &str) {
        assert_eq!(self.post(MAPS, &json!({"metadata": {"name": name}})).await.0, 201);
    }
}

fn message(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or_default()
}

#[test]
fn crud_and_patches() {
    with_server(|c| async move {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
        let (code, made) = c.post(MAPS, &object).await;
        assert_eq!((code, &made["data"]["k"]), (201, &json!("v")));
        let (code, again) = c.post(MAPS, &object).await;
        assert_eq!((code, message(&again)), (409, "configmaps \"a\" already exists"));
        let one = format!("{MAPS}/a");
        let patch = |kind: &'static str, body: &'static str| c.ask("PATCH", one.as_str(), vec_of(kind), body);
        let (code, patched) = patch("application/merge-patch+json", r#"{"data":{"m":"1"}}"#).await;
        assert_eq!((code, &patched["data"]["m"]), (200, &json!("1")));
        let (_, patched) = patch("application/json-patch+json", r#"[{"op":"remove","path":"/data/m"}]"#).await;
        assert_eq!(patched["data"], json!({"k": "v"}));
        let (_, patched) = patch("application/strategic-merge-patch+json", r#"{"data":{"s":"1","k":null}}"#).await;
        assert_eq!(patched["data"], json!({"s": "1"}));
        assert_eq!(patch("application/json", "{}").await.0, 415);
        assert_eq!(patch("application/merge-patch+json", "{").await.0, 400);
        let (code, stale) = c.ask("PUT", &one, JSON, made.to_string()).await;
        assert_eq!((code, &stale["reason"]), (409, &json!("Conflict")));
        let (code, gone) = c.ask("DELETE", &one, &[], "").await;
        assert_eq!(
            (code, &gone["status"], &gone["details"]["uid"]),
            (200, &json!("Success"), &made["metadata"]["uid"])
        );
        let (code, missing) = c.get(&one).await;
        assert_eq!((code, message(&missing)), (404, "configmaps \"a\" not found"));
    });
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A content type that lives as long as its request.
fn vec_of(kind: &'static str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "application/merge-patch+json" => &[("content-type", "application/merge-patch+json")],
        "application/json-patch+json" => &[("content-type", "application/json-patch+json")],
        "application/strategic-merge-patch+json" => &[("content-type", "application/strategic-merge-patch+json")],
        _ => JSON,
    }
}

#[test]
fn bad_requests_are_refused_in_kubernetes_words_and_store_nothing() {
    with_server(|c| async move {
        let before = c.memory.snapshot_revision();
        assert_eq!(c.post(MAPS, &json!("x")).await.0, 400);
        assert_eq!(c.ask("POST", MAPS, JSON, "{").await.0, 400);
        assert_eq!(c.ask("POST", MAPS, JSON, vec![b'['; 200_000]).await.0, 400);
        assert_eq!(c.ask("POST", MAPS, &[("content-type", "text/plain")], "x").await.0, 415);
        let (code, large) = c.ask("POST", MAPS, JSON, vec![b' '; 3 * 1024 * 1024 + 1]).await;
        assert_eq!((code, &large["reason"]), (413, &json!("RequestEntityTooLarge")));
        assert_eq!(c.ask("GET", MAPS, &[("accept", "text/html")], "").await.0, 406);
        let (code, invalid) = c.post(MAPS, &json!({"metadata": {"name": "A"}})).await;
        assert_eq!((code, &invalid["details"]["causes"][0]["field"]), (422, &json!("metadata.name")));
        let strict = format!("{MAPS}?fieldValidation=Strict");
        let (code, unknown) = c.post(&strict, &json!({"metadata": {"name": "a"}, "x": 1})).await;
        assert_eq!(code, 400);
        assert!(message(&unknown).contains("strict decoding error: unknown field \"x\""), "{unknown}");
        assert_eq!(c.ask("PUT", MAPS, JSON, "{}").await.0, 405);
        assert_eq!(c.get("/api/v1/nothing").await.0, 404);
        assert_eq!(c.get(&format!("{MAPS}?labelSelector=%3D%3D")).await.0, 400);
        assert_eq!(c.get(&format!("{MAPS}?limit=x")).await.0, 400);
        assert_eq!(c.post("/api/v1/namespaces/nowhere/configmaps", &json!({"metadata": {"name": "a"}})).await.0, 404);
        assert_eq!(c.memory.snapshot_revision(), before);
        let dry = format!("{MAPS}?dryRun=All");
        assert_eq!(c.post(&dry, &json!({"metadata": {"name": "a"}})).await.0, 201);
        assert_eq!(c.memory.snapshot_revision(), before);
    });
}

#[test]
fn lists_tables_and_metadata() {
    with_server(|c| async move {
        for name in ["a", "b", "c"] {
            c.make(name).await;
        }
        let (_, list) = c.get(&format!("{MAPS}?limit=2")).await;
        assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("ConfigMapList"), 2));
        assert_eq!(list["metadata"]["remainingItemCount"], 1);
        let token = list["metadata"]["continue"].as_str().unwrap();
        c.memory.compact();
        c.make("d").await;
        c.memory.compact();
        let (code, expired) = c.get(&format!("{MAPS}?limit=2&continue={token}")).await;
        assert_eq!((code, &expired["reason"]), (410, &json!("Expired")));
        let token = expired["metadata"]["continue"].as_str().unwrap();
        let (_, rest) = c.get(&format!("{MAPS}?continue={token}")).await;
        assert_eq!(rest["items"][0]["metadata"]["name"], "c");
        let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
        let (_, table) = c.ask("GET", MAPS, &accept, "").await;
        assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
        let accept = [("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")];
        let (_, partial) = c.ask("GET", MAPS, &accept, "").await;
        assert_eq!(partial["kind"], "PartialObjectMetadataList");
        let (_, deleted) = c.ask("DELETE", MAPS, &[], "").await;
        assert_eq!(deleted["items"].as_array().unwrap().len(), 4);
        assert_eq!(c.get(MAPS).await.1["items"], json!([]));
    });
}

/// Reads frames of a watch until `count` have come.
async fn frames(response: &mut Response<Incoming>, count: usize) -> Vec<Value> {
    let mut text = Vec::new();
    loop {
        let lines: Vec<Value> =
            text.split(|b| *b == b'\n').filter_map(|line: &[u8]| serde_json::from_slice(line).ok()).collect();
        if lines.len() >= count {
            return lines;
        }
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        text.extend_from_slice(frame.data_ref().unwrap());
    }
}

#[test]
fn a_watch_streams_in_order_and_ends_with_the_server() {
    let mut open = None;
    let slot = &mut open;
    with_server(|c| async move {
        c.make("a").await;
        let path =
            format!("{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
        let mut response = c.raw("GET", &path, &[], "").await;
        let initial = frames(&mut response, 2).await;
        assert_eq!((&initial[0]["type"], &initial[0]["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("a")));
        assert_eq!(initial[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
        c.make("b").await;
        assert_eq!(c.ask("DELETE", &format!("{MAPS}/a"), &[], "").await.0, 200);
        let seen = frames(&mut response, 2).await;
        let words: Vec<_> = seen.iter().map(|f| f["type"].as_str().unwrap()).collect();
        assert_eq!(words, ["ADDED", "DELETED"]);
        let revision = |f: &Value| f["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
        assert!(revision(&seen[0]) < revision(&seen[1]));
        c.memory.compact();
        let (code, old) = c.get(&format!("{MAPS}?watch=true&resourceVersion=1")).await;
        assert_eq!((code, &old["type"], &old["object"]["code"]), (200, &json!("ERROR"), &json!(410)), "{old}");
        *slot = Some(response);
    });
    assert!(open.is_some());
}

#[test]
fn who_may_do_what() {
    with_server(|c| async move {
        let bare = |path: &'static str, token: Option<String>| {
            let c = &c;
            async move {
                let mut request = Request::builder().uri(path).header("host", "localhost");
                if let Some(token) = token {
                    request = request.header("authorization", format!("Bearer {token}"));
                }
                let request = request.body(Full::new(Bytes::new())).unwrap();
                let response = c.connect(None).await.send_request(request).await.unwrap();
                let code = response.status().as_u16();
                (code, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
            }
        };
        assert_eq!(bare("/readyz", None).await, (200, "ok".to_owned()));
        assert_eq!(bare("/version", None).await.0, 200);
        assert_eq!(bare(MAPS, None).await.0, 401);
        assert_eq!(bare(MAPS, Some("x.y.z".into())).await.0, 401);
        let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
        let (code, answer) = c.post(path, &json!({"spec": {}})).await;
        assert_eq!(code, 201, "{answer}");
        let token = answer["status"]["token"].as_str().unwrap().to_owned();
        let (code, text) = bare(MAPS, Some(token)).await;
        assert_eq!(code, 403);
        assert_eq!(
            message(&serde_json::from_str(&text).unwrap()),
            "configmaps is forbidden: User \"system:serviceaccount:default:default\" cannot list resource \
             \"configmaps\" in API group \"\" in the namespace \"default\""
        );
        let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let (_, me) = c.post(review, &json!({})).await;
        assert_eq!(me["status"]["userInfo"]["username"], "kube-apiserver-kubelet-client");
    });
}

#[test]
fn nothing_is_served_before_the_state_is_there() {
    with_server(|c| async move {
        c.memory.ready.store(false, Ordering::Relaxed);
        assert_eq!(c.get("/readyz").await.0, 503);
        assert_eq!(c.get("/livez").await.0, 200);
        assert_eq!(c.get(MAPS).await.0, 503);
        c.memory.ready.store(true, Ordering::Relaxed);
        assert_eq!(c.get(MAPS).await.0, 200);
        // Reads go on when the database is gone.
        c.memory.ready.store(false, Ordering::Relaxed);
        assert_eq!(c.get(MAPS).await.0, 200);
        assert_eq!(c.get("/readyz").await.0, 503);
    });
}

#[test]
fn discovery_and_openapi() {
    with_server(|c| async move {
        assert_eq!(c.get("/api").await.1["versions"], json!(["v1"]));
        let accept = [("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")];
        let response = c.raw("GET", "/apis", &accept, "").await;
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
        let (_, index) = c.get("/openapi/v3").await;
        let url = index["paths"]["api/v1"]["serverRelativeURL"].as_str().unwrap();
        let response = c.raw("GET", url, &[], "").await;
        assert_eq!(response.status().as_u16(), 200);
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(c.raw("GET", url, &[("if-none-match", &tag)], "").await.status().as_u16(), 304);
        assert_eq!(c.get("/openapi/v2").await.1["swagger"], "2.0");
        // As kubectl 1.20 asks.
        let accept = [("accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")];
        let response = c.raw("GET", "/openapi/v2", &accept, "").await;
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!((response.status().as_u16(), kind), (200, podium_machinery::openapi::MEDIA_TYPE));
        assert_eq!(c.get("/openapi/v3/apis/none/v1").await.0, 404);
        assert!(c.get("/metrics").await.1.as_str().unwrap().contains("apiserver_current_inflight_requests"));
    });
}

#[test]
fn streams_are_refused_clearly() {
    with_server(|c| async move {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        assert_eq!(c.post("/api/v1/namespaces/default/pods", &pod).await.0, 201);
        let (code, answer) = c.get("/api/v1/namespaces/default/pods/p/log").await;
        assert_eq!((code, message(&answer)), (400, "pod p does not have a host assigned"));
        let binding = json!({"target": {"kind": "Node", "name": "n"}, "metadata": {"name": "p"}});
        assert_eq!(c.post("/api/v1/namespaces/default/pods/p/binding", &binding).await.0, 201);
        assert_eq!(c.get("/api/v1/namespaces/default/pods/p/log").await.0, 404);
        let node = json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n", "uid": "n"},
            "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}});
        c.memory.put("nodes", node);
        let (code, answer) = c.get("/api/v1/namespaces/default/pods/p/log?container=x").await;
        assert_eq!((code, message(&answer)), (400, "container x is not valid for pod p"));
        assert_eq!(c.get("/api/v1/namespaces/default/pods/p/log").await.0, 500);
        let exec = "/api/v1/namespaces/default/pods/p/exec?command=ls";
        assert_eq!(message(&c.ask("POST", exec, &[], "").await.1), "Upgrade request required");
        assert_eq!(c.api.backend().revision(), c.memory.snapshot_revision());
    });
}

/// Runs kubectl with `input`; its output and errors together.
async fn kubectl(c: &Cluster, arguments: &[&str], input: &str) -> (bool, String) {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let mut command = Command::new("kubectl");
    command
        .arg(format!("--kubeconfig={}", c.pki.path().join("kubeconfig").display()))
        .arg(format!("--cache-dir={}", c.pki.path().join("cache").display()))
        .arg(format!("--server=https://{}", c.address))
        .arg("--request-timeout=10s")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    actix_rt::task::spawn_blocking(run).await.unwrap()
}

#[test]
fn kubectl_does_its_everyday_work() {
    if std::process::Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        println!("skipped: kubectl is not installed");
        return;
    }
    with_server(|c| async move {
        let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  \
            selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      \
            containers:\n      - {name: c, image: i}\n";
        let more = manifest.replace("image: i", "image: j");
        let typo = manifest.replace("replicas", "replicsa");
        let table: &[(&[&str], &str, bool, &str)] = &[
            (&["create", "configmap", "a", "--from-literal=k=v"], "", true, "configmap/a created"),
            (&["get", "configmaps"], "", true, "NAME"),
            (&["get", "cm", "a", "-o", "jsonpath={.data.k}"], "", true, "v"),
            (&["label", "cm", "a", "x=y"], "", true, "configmap/a labeled"),
            (&["get", "cm", "-l", "x=y", "-o", "name"], "", true, "configmap/a"),
            (&["apply", "-f", "-"], manifest, true, "deployment.apps/web created"),
            (&["apply", "-f", "-"], manifest, true, "deployment.apps/web unchanged"),
            (&["apply", "-f", "-"], &more, true, "deployment.apps/web configured"),
            (&["apply", "-f", "-"], &typo, false, "unknown field \"spec.replicsa\""),
            (&["scale", "deployment/web", "--replicas=3"], "", true, "deployment.apps/web scaled"),
            (&["get", "deployment", "web"], "", true, "0/3"),
            (&["describe", "deployment", "web"], "", true, "RollingUpdate"),
            (&["explain", "deployment.spec"], "", true, "replicas"),
            (&["api-resources"], "", true, "deployments"),
            (&["auth", "whoami"], "", true, "kubernetes-admin"),
            (&["auth", "can-i", "create", "pods"], "", true, "yes"),
            (&["create", "token", "default"], "", true, "ey"),
            (&["run", "p", "--image=i"], "", true, "pod/p created"),
            (&["get", "all"], "", true, "deployment.apps/web"),
            (&["delete", "pod", "p"], "", true, "pod \"p\" deleted"),
            (&["delete", "deployment", "web"], "", true, "deployment.apps \"web\" deleted"),
            (&["get", "pod", "p"], "", false, "Error from server (NotFound): pods \"p\" not found"),
        ];
        for (arguments, input, good, expected) in table {
            let (success, text) = kubectl(&c, arguments, input).await;
            assert!(success == *good && text.contains(expected), "kubectl {arguments:?}: {text}");
        }
    });
}
