//! Every path and verb that Kubernetes' OpenAPI names is answered.

use super::*;

/// The log files of the server's machine, which Kubernetes serves only where it is told to.
const ELSEWHERE: &[&str] = &["/logs/"];
/// Verbs of OpenAPI.
const METHODS: &[&str] = &["get", "put", "post", "delete", "patch", "head", "options"];

/// (method, path) of every operation, or nothing where the oracle is absent.
fn operations() -> Vec<(String, String)> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kubernetes-v1.36/openapi-v3");
    let Ok(files) = std::fs::read_dir(place) else {
        println!("skipped: the oracle openapi-v3 is not here");
        return Vec::new();
    };
    let mut found = std::collections::BTreeSet::new();
    for file in files {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            let methods = METHODS.iter().filter(|m| item[**m].is_object());
            found.extend(methods.map(|m| (path.clone(), m.to_uppercase())));
        }
    }
    found.into_iter().map(|(path, method)| (method, path)).collect()
}

#[test]
fn every_path_and_verb_is_answered() {
    let operations = operations();
    with_server(|c| async move {
        // Objects may be absent; their paths may not.
        let unknown = "the server could not find the requested resource";
        let mut wrong = Vec::new();
        for (method, template) in operations {
            if ELSEWHERE.iter().any(|r| template.starts_with(r)) {
                continue;
            }
            let path = template.replace("{namespace}", "default").replace("{name}", "x").replace("{path}", "p");
            let watches = path.contains("/watch/");
            let path = if watches { format!("{path}?timeoutSeconds=1") } else { path };
            let mut sender = c.connect(Some(c.pki.path())).await;
            let request = Request::builder().method(method.as_str()).uri(&path).header("host", "x");
            let request = request.header("content-type", "application/json").body(Full::default()).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            let code = answer.status().as_u16();
            if code == 404 {
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                if message(&body) == unknown {
                    wrong.push(format!("{code} {method} {template}"));
                }
            } else if code == 405 || code == 501 || (watches && code != 200) {
                wrong.push(format!("{code} {method} {template}"));
            }
        }
        assert!(wrong.is_empty(), "{} are not answered:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn the_older_paths_watch() {
    with_server(|c| async move {
        for name in ["a", "b"] {
            c.make(name).await;
        }
        let maps = "namespaces/default/configmaps";
        for path in [format!("watch/{maps}/b?"), format!("{maps}/b?watch=true&")] {
            let (code, event) = c.get(&format!("/api/v1/{path}timeoutSeconds=1")).await;
            assert_eq!(
                (code, &event["type"], &event["object"]["metadata"]["name"]),
                (200, &json!("ADDED"), &json!("b"))
            );
        }
    });
}
