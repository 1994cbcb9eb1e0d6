//! A flood of users' requests: they are told to come back, and nobody else is harmed.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Writes of users that run at once.
const WRITES: usize = 200;

/// A connection whose write waits for its body, and so keeps its place.
async fn stuck(c: &Cluster) -> impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {
    let mut stream = relay::connect(c).await;
    let head =
        format!("POST {MAPS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// A directory with the certificates that the node `n` shows.
fn of_node(c: &Cluster) -> tempfile::TempDir {
    use base64::{Engine, engine::general_purpose::STANDARD};
    crate::pki::issue_node(c.pki.path(), "n", &[], "https://x").unwrap();
    let config = std::fs::read_to_string(c.pki.path().join("nodes/n/node.kubeconfig")).unwrap();
    let place = tempfile::tempdir().unwrap();
    for (field, file) in [
        ("certificate-authority-data: ", "ca.crt"),
        ("client-certificate-data: ", "kubelet-client.crt"),
        ("client-key-data: ", "kubelet-client.key"),
    ] {
        let line = config.lines().find_map(|l| l.trim().strip_prefix(field)).unwrap();
        std::fs::write(place.path().join(file), STANDARD.decode(line).unwrap()).unwrap();
    }
    place
}

#[test]
fn a_flood_of_writes_starves_neither_health_nor_nodes() {
    with_server(|c| async move {
        let mut flood = Vec::new();
        for _ in 0..WRITES {
            flood.push(stuck(&c).await);
        }
        // Until all of them have their place.
        let refused = loop {
            let answer = c.raw("POST", MAPS, &[("content-type", "application/json")], "{}").await;
            if answer.status().as_u16() == 429 {
                break answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(c.get("/healthz").await.0, 200);
        assert_eq!(c.get(MAPS).await.0, 200);
        // The node renews its lease and reports its state.
        let node = of_node(&c);
        let lease = json!({"metadata": {"name": "n", "namespace": "kube-node-lease"}, "spec": {"holderIdentity": "n"}});
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        c.memory.put(
            "namespaces",
            json!({"kind": "Namespace", "apiVersion": "v1",
            "metadata": {"name": "kube-node-lease", "uid": "l"}, "spec": {"finalizers": ["kubernetes"]}}),
        );
        let nodes = json!({"metadata": {"name": "n"}});
        for (path, body) in [(leases, &lease), ("/api/v1/nodes", &nodes)] {
            let mut sender = c.connect(Some(node.path())).await;
            let request = Request::post(path).header("host", "x").header("content-type", "application/json");
            let answer = sender.send_request(request.body(Full::new(body.to_string().into())).unwrap()).await.unwrap();
            assert_eq!(answer.status().as_u16(), 201, "{path}");
        }
        // One that goes makes room.
        let mut one = flood.pop().unwrap();
        one.write_all(&[b'x'; 99]).await.unwrap();
        let _ = one.read_u8().await.unwrap();
        assert_ne!(c.post(MAPS, &json!({"metadata": {"name": "late"}})).await.0, 429);
    });
}

#[test]
fn a_request_may_name_its_time() {
    with_server(|c| async move {
        let mut stream = relay::connect(&c).await;
        let head = format!("POST {MAPS}?timeout=50ms HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = relay::head(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
        assert_eq!(c.get(&format!("{MAPS}?timeout=soon")).await.0, 400);
    });
}
