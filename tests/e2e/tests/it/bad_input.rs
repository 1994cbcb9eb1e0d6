//! Bad input gets a Status with the right code and message; nothing is stored, nothing panics.

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, run, with_cluster};
use serde_json::{Value, json};

struct Case {
    name: &'static str,
    path: &'static str,
    kind: &'static str,
    body: String,
    code: u16,
    says: &'static str,
}

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const JSON: &str = "application/json";

fn case(name: &'static str, path: &'static str, body: impl ToString, code: u16, says: &'static str) -> Case {
    Case { name, path, kind: JSON, body: body.to_string(), code, says }
}

fn cases() -> Vec<Case> {
    let map = |metadata: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    let pod = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad"}, "spec": spec});
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    vec![
        case("malformed JSON", CONFIGMAPS, "{\"apiVersion\": \"v1\",", 400, ""),
        Case { kind: "application/yaml", ..case("malformed YAML", CONFIGMAPS, "a: b: c", 400, "") },
        Case { kind: "text/plain", ..case("media type", CONFIGMAPS, "x", 415, "media type") },
        case("no name", CONFIGMAPS, map(json!({})), 422, "name or generateName is required"),
        case("bad name", CONFIGMAPS, map(json!({"name": "Upper_Case"})), 422, "RFC 1123"),
        case("bad label", CONFIGMAPS, map(json!({"name": "bad", "labels": {"a b": "c"}})), 422, "metadata.labels"),
        case("bad label value", CONFIGMAPS, map(json!({"name": "bad", "labels": {"a": "-"}})), 422, "metadata.labels"),
        case("wrong namespace", CONFIGMAPS, map(json!({"name": "bad", "namespace": "other"})), 400, "namespace"),
        case(
            "unknown field",
            "/api/v1/namespaces/default/configmaps?fieldValidation=Strict",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"}, "dat": {}}),
            400,
            "strict decoding error: unknown field \"dat\"",
        ),
        case(
            "wrong type",
            CONFIGMAPS,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"},
            "data": "x"}),
            400,
            "",
        ),
        case(
            "wrong kind",
            CONFIGMAPS,
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bad"}}),
            400,
            "",
        ),
        case("not an object", CONFIGMAPS, "[]", 400, ""),
        case("deep nesting", CONFIGMAPS, deep, 400, ""),
        case("oversize", CONFIGMAPS, "x".repeat(4 << 20), 413, ""),
        case("no containers", PODS, pod(json!({})), 422, "spec.containers: Required value"),
        case(
            "no image",
            PODS,
            pod(json!({"containers": [{"name": "a"}]})),
            422,
            "spec.containers[0].image: Required value",
        ),
        case(
            "bad port",
            PODS,
            pod(json!({"containers": [{"name": "a", "image": "b", "ports": [{"containerPort": 70000}]}]})),
            422,
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000",
        ),
        case(
            "no such namespace",
            "/api/v1/namespaces/absent/configmaps",
            map(json!({"name": "bad"})),
            404,
            "namespaces \"absent\" not found",
        ),
        case(
            "no such resource",
            "/api/v1/namespaces/default/gadgets",
            map(json!({"name": "bad"})),
            404,
            "the server could not find the requested resource",
        ),
    ]
}

#[test]
fn bad_input_is_refused_in_kubernetes_words() {
    with_cluster(|cluster| async move {
        let before = names(&cluster)?;
        for case in cases() {
            let body = cluster.data.join("body");
            std::fs::write(&body, &case.body)?;
            let answer = curl(
                &cluster,
                &[
                    "-X",
                    "POST",
                    "-H",
                    &format!("Content-Type: {}", case.kind),
                    "--data-binary",
                    &format!("@{}", body.display()),
                ],
                case.path,
            )?;
            let status: Value = serde_json::from_str(&answer).unwrap_or_default();
            ensure!(status["kind"] == "Status" && status["status"] == "Failure", "{}: {answer}", case.name);
            ensure!(status["code"] == case.code, "{}: {answer}", case.name);
            let message = status["message"].as_str().unwrap_or_default();
            ensure!(message.contains(case.says), "{}: {message:?} does not say {:?}", case.name, case.says);
        }
        for (path, code) in [
            ("/api/v1/namespaces/default/configmaps?labelSelector=a%20b%20c", 400),
            ("/api/v1/namespaces/default/configmaps?fieldSelector=spec.x%3D1", 400),
            ("/api/v1/namespaces/default/configmaps?limit=x", 400),
            ("/api/v1/namespaces/default/configmaps?continue=x", 400),
            ("/api/v1/namespaces/default/configmaps/absent", 404),
            ("/nowhere", 404),
        ] {
            let status: Value = serde_json::from_str(&curl(&cluster, &[], path)?).unwrap_or_default();
            ensure!(status["code"] == code, "{path}: {status}");
        }
        ensure!(names(&cluster)? == before, "something was stored");
        let actors = cluster.kubectl(&["get", "actors", "-o", "json"])?;
        ensure!(!actors.contains("lastPanic"), "something panicked: {actors}");
        // Nobody without credentials learns more than health and version.
        let base = server(&cluster)?;
        for (path, code) in [("/healthz", "200"), ("/version", "200"), ("/api/v1/pods", "401"), ("/apis", "401")] {
            let url = format!("{base}{path}");
            let got = run("curl", &["-sk", "-o", "/dev/null", "-w", "%{http_code}", &url])?;
            ensure!(got == code, "{path}: {got}");
        }
        Ok(())
    });
}

fn names(cluster: &Cluster) -> Result<String> {
    cluster.kubectl(&["get", "configmaps,pods", "-A", "-o", "name"])
}

fn server(cluster: &Cluster) -> Result<String> {
    cluster.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"])
}

/// A request with the administrator's certificate.
fn curl(cluster: &Cluster, args: &[&str], path: &str) -> Result<String> {
    for (file, field) in [
        ("admin.crt", "{.users[0].user.client-certificate-data}"),
        ("admin.key", "{.users[0].user.client-key-data}"),
        ("admin.ca", "{.clusters[0].cluster.certificate-authority-data}"),
    ] {
        let path = cluster.data.join(file);
        if !path.exists() {
            let encoded = cluster.kubectl(&["config", "view", "--raw", "-o", &format!("jsonpath={field}")])?;
            run("sh", &["-c", &format!("echo {encoded} | base64 -d > {}", path.display())])?;
        }
    }
    let file = |name: &str| cluster.data.join(name).to_string_lossy().into_owned();
    let (crt, key, ca) = (file("admin.crt"), file("admin.key"), file("admin.ca"));
    let url = format!("{}{path}", server(cluster)?);
    run("curl", &[&["-sS", "--max-time", "10", "--cert", &crt, "--key", &key, "--cacert", &ca], args, &[&url]].concat())
}
