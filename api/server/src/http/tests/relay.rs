//! Streams, relayed to an agent that answers as it is told and echoes what follows.

use super::*;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::future::Future;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A node's listener with its certificate.
async fn listen(pki: &Path) -> (TcpListener, tokio_rustls::TlsAcceptor) {
    let place = pki.join("nodes/n");
    let chain = vec![CertificateDer::from_pem_file(place.join("kubelet.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(place.join("kubelet.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (TcpListener::bind("127.0.0.1:0").await.unwrap(), tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

/// A head, to the end of it.
pub(super) async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Accepts one connection, answers `answer` to its request, then gives the stream to `then`; tells what was asked.
pub(super) async fn agent_doing<F: Future<Output = ()>>(
    pki: &Path,
    answer: &'static str,
    then: impl FnOnce(tokio_rustls::server::TlsStream<TcpStream>) -> F + 'static,
) -> (u16, tokio::task::JoinHandle<String>) {
    let (listener, acceptor) = listen(pki).await;
    let port = listener.local_addr().unwrap().port();
    let task = actix_rt::spawn(async move {
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let request = head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        then(stream).await;
        request
    });
    (port, task)
}

/// One that echoes.
async fn agent(pki: &Path, answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    agent_doing(pki, answer, |mut stream| async move {
        let mut buffer = [0; 64];
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..n]).await.unwrap();
        }
    })
    .await
}

/// A connection to the server as an administrator's.
pub(super) async fn connect(c: &Cluster) -> tokio_rustls::client::TlsStream<TcpStream> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls::client(c.pki.path()).unwrap()));
    let tcp = TcpStream::connect(c.address).await.unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
}

pub(super) async fn pod_on(c: &Cluster, port: u16) {
    c.memory.put(
        "nodes",
        json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n", "uid": "n"},
        "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}}),
    );
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(c.post("/api/v1/namespaces/default/pods", &pod).await.0, 201);
}

#[test]
fn bytes_pass_both_ways_after_an_upgrade() {
    with_server(|c| async move {
        let accepted = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
            sec-websocket-accept: abc=\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n\r\n";
        let (port, agent) = agent(c.pki.path(), accepted).await;
        pod_on(&c, port).await;
        let mut stream = connect(&c).await;
        let request = "GET /api/v1/namespaces/default/pods/p/exec?command=ls&command=-l HTTP/1.1\r\nhost: x\r\n\
            connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: key==\r\n\
            sec-websocket-protocol: v5.channel.k8s.io\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = head(&mut stream).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 101 ") && answer.contains("sec-websocket-accept: abc="), "{answer}");
        assert!(answer.contains("sec-websocket-protocol: v5.channel.k8s.io"), "{answer}");
        assert!(!answer.contains("transfer-encoding"), "{answer}");
        for text in ["hello", "again"] {
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut echo = [0; 5];
            stream.read_exact(&mut echo).await.unwrap();
            assert_eq!(&echo, text.as_bytes());
        }
        stream.shutdown().await.unwrap();
        drop(stream);
        let asked = agent.await.unwrap();
        assert!(asked.starts_with("GET /exec/default/p/c?command=ls&command=-l HTTP/1.1"), "{asked}");
        assert!(asked.contains("sec-websocket-key: key=="), "{asked}");
    });
}

#[test]
fn logs_and_an_agents_refusal_come_through() {
    with_server(|c| async move {
        let (port, task) = agent(c.pki.path(), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nline\n").await;
        pod_on(&c, port).await;
        let log = "/api/v1/namespaces/default/pods/p/log?follow=true";
        let (code, text) = c.get(log).await;
        assert_eq!((code, text), (200, json!("line\n")));
        assert!(task.await.unwrap().starts_with("GET /containerLogs/default/p/c?follow=true HTTP/1.1"));
        let gone = "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone";
        let (port, _task) = agent(c.pki.path(), gone).await;
        let patch = json!({"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}}).to_string();
        let (code, _) = c.ask("PATCH", "/api/v1/nodes/n/status", vec_of("application/merge-patch+json"), patch).await;
        assert_eq!(code, 200);
        let (code, answer) = c.get(log).await;
        assert_eq!((code, message(&answer)), (404, "gone"));
    });
}
