//! Refusals over HTTP/2: the client must be able to send its whole body and then read the answer.

use super::{super::tls, MAPS, with_server};
use bytes::Bytes;
use h2::client::SendRequest;
use rustls_pki_types::ServerName;
use serde_json::Value;
use std::sync::Arc;
use tokio::net::TcpStream;

/// More than a body may have, and more than the flow-control windows hold.
const LARGE: usize = 8 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

impl super::Cluster {
    async fn connect2(&self) -> SendRequest<Bytes> {
        let mut config = tls::client(self.pki.path()).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        actix_rt::spawn(connection);
        client.ready().await.unwrap()
    }
}

/// Sends `LARGE` bytes to the last one, then reads the answer.
async fn post(client: &mut SendRequest<Bytes>, path: &str) -> (u16, Value) {
    let request = http::Request::post(format!("https://localhost{path}"));
    let request = request.header("content-type", "application/json").body(()).unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    let mut left = LARGE;
    while left > 0 {
        body.reserve_capacity(CHUNK.min(left));
        let granted = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
        let granted = granted.expect("the stream is open").expect("the stream is not reset").min(left);
        left -= granted;
        body.send_data(vec![b' '; granted].into(), left == 0).expect("the body is taken");
    }
    let (head, mut stream) = answer.await.unwrap().into_parts();
    let mut text = Vec::new();
    while let Some(chunk) = stream.data().await {
        text.extend_from_slice(&chunk.unwrap());
    }
    (head.status.as_u16(), serde_json::from_slice(&text).unwrap())
}

#[test]
fn a_body_that_is_not_wanted_is_taken_and_answered() {
    with_server(|c| async move {
        let mut client = c.connect2().await;
        let (code, large) = post(&mut client, MAPS).await;
        assert_eq!((code, &large["reason"]), (413, &"RequestEntityTooLarge".into()));
        // Refused before the body is looked at; the connection goes on.
        let (code, nowhere) = post(&mut client, "/api/v1/nothing").await;
        assert_eq!((code, &nowhere["reason"]), (404, &"NotFound".into()));
    });
}
