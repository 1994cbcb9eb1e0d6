//! Proxies, and the resources of core that are not stored.

use super::{
    relay::{agent_doing, pod_on},
    *,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVICES: &str = "/api/v1/namespaces/default/services";

async fn node_answering(c: &Cluster, answer: &'static str) -> tokio::task::JoinHandle<String> {
    let (port, agent) = agent_doing(c.pki.path(), answer, |mut stream| async move {
        // To the end of the body, which nothing else says.
        let mut body = [0; 2];
        let _ = tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut body)).await;
        let _ = stream.write_all(&body).await;
        let _ = stream.shutdown().await;
    })
    .await;
    pod_on(c, port).await;
    agent
}

#[test]
fn a_request_arrives_with_its_body_and_without_our_secrets() {
    with_server(|c| async move {
        let agent = node_answering(&c, "HTTP/1.1 418 Teapot\r\nx-tea: green\r\ncontent-length: 2\r\n\r\n").await;
        let headers = &[("x-mine", "1"), ("authorization", "Bearer secret"), ("content-type", "text/plain")];
        let (code, body) = c.ask("PUT", "/api/v1/nodes/n/proxy/a%2Fb//c/?q=1&r", headers, "hi").await;
        assert_eq!((code, body), (418, json!("hi")));
        let asked = agent.await.unwrap().to_lowercase();
        assert!(asked.starts_with("put /a%2fb//c/?q=1&r http/1.1\r\n"), "{asked}");
        for line in ["x-mine: 1\r\n", "content-length: 2\r\n", "x-forwarded-uri: /api/v1/nodes/n/proxy/a%2fb//c/\r\n"] {
            assert!(asked.contains(line), "{line} in {asked}");
        }
        assert!(!asked.contains("secret"), "{asked}");
    });
}

#[test]
fn a_proxy_without_a_path_sends_clients_to_its_root() {
    with_server(|c| async move {
        pod_on(&c, 1).await;
        let mut sender = c.connect(Some(c.pki.path())).await;
        let request = Request::get("/api/v1/nodes/n/proxy?a=b").header("host", "x").body(Full::default()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), 301);
        assert_eq!(answer.headers()["location"], "/api/v1/nodes/n/proxy/?a=b");
    });
}

#[test]
fn what_cannot_be_reached_is_told_as_kubernetes_does() {
    with_server(|c| async move {
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "web", "port": 80}]}});
        assert_eq!(c.post(SERVICES, &service).await.0, 201);
        let cases = [
            ("s", 503, "no endpoints available for service \"s\""),
            ("s:web", 503, "no endpoints available for service \"s\""),
            ("s:81", 503, "no service port 81 found for service \"s\""),
            ("a:b:c:d", 400, "invalid service request \"a:b:c:d\""),
            ("t", 404, "services \"t\" not found"),
        ];
        for (name, code, text) in cases {
            let (got, answer) = c.get(&format!("{SERVICES}/{name}/proxy/x")).await;
            assert_eq!((got, message(&answer)), (code, text), "{name}");
        }
        let slice = json!({"metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
            "addressType": "IPv4", "ports": [{"name": "web", "port": 8080}],
            "endpoints": [{"addresses": ["169.254.169.254"], "conditions": {"ready": true}}]});
        let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
        let (code, made) = c.post(slices, &slice).await;
        // Validation or the proxy: that address is never reached.
        if code == 201 {
            let (code, answer) = c.get(&format!("{SERVICES}/s:80/proxy/")).await;
            assert_eq!((code, message(&answer)), (400, "address not allowed"));
        } else {
            assert_eq!(code, 422, "{made}");
        }
    });
}

#[test]
fn bindings_bind_and_components_are_listed() {
    with_server(|c| async move {
        let pod = json!({"metadata": {"name": "b"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        assert_eq!(c.post("/api/v1/namespaces/default/pods", &pod).await.0, 201);
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "b"},
            "target": {"kind": "Node", "name": "n"}});
        let bindings = "/api/v1/namespaces/default/bindings";
        let (code, done) = c.post(bindings, &binding).await;
        assert_eq!((code, &done["status"]), (201, &json!("Success")));
        assert_eq!(c.get("/api/v1/namespaces/default/pods/b").await.1["spec"]["nodeName"], "n");
        assert_eq!(c.post(bindings, &binding).await.0, 409);
        assert_eq!(c.get(bindings).await.0, 405);
        let (code, list) = c.get("/api/v1/componentstatuses").await;
        // Nothing but the database runs here.
        let told = |n: usize| (&list["items"][n]["metadata"]["name"], &list["items"][n]["conditions"][0]["status"]);
        assert_eq!(
            (code, told(1), told(2)),
            (200, (&json!("etcd-0"), &json!("True")), (&json!("scheduler"), &json!("False")))
        );
        c.memory.ready.store(false, Ordering::Relaxed);
        let (code, database) = c.get("/api/v1/componentstatuses/etcd-0").await;
        assert_eq!((code, &database["conditions"][0]["status"]), (200, &json!("False")));
        let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
        let (_, table) = c.ask("GET", "/api/v1/componentstatuses/etcd-0", &table, "").await;
        assert_eq!(table["rows"][0]["cells"], json!(["etcd-0", "Unhealthy", "", "the database does not answer"]));
        assert_eq!(c.get("/api/v1/componentstatuses/nothing").await.0, 404);
    });
}
