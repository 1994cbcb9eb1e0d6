//! gRPC probes: one call of `grpc.health.v1.Health/Check` over HTTP/2 in the clear, as Kubernetes lays down.

use h2::client::{SendRequest, handshake};
use std::time::Duration;

/// Longest answer that is read, bytes; a true one has two.
const MAX_ANSWER: usize = 1 << 10;
/// `HealthCheckResponse.ServingStatus`, by number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Succeeds where the service says that it is SERVING.
pub(super) async fn check(host: &str, port: u16, service: &str, limit: Duration) -> Result<(), String> {
    match tokio::time::timeout(limit, ask(host, port, service)).await {
        Ok(Ok(1)) => Ok(()),
        Ok(Ok(other)) => {
            let name = usize::try_from(other).ok().and_then(|n| STATUSES.get(n)).copied();
            Err(format!("service unhealthy (responded with \"{}\")", name.unwrap_or("UNKNOWN")))
        }
        Ok(Err(error)) => Err(format!("error: health rpc probe failed: {error}")),
        Err(_) => Err(format!("timeout: health rpc did not complete within {limit:?}")),
    }
}

async fn ask(host: &str, port: u16, service: &str) -> Result<u64, String> {
    let stream = super::http::connect(host, port).await?;
    let (client, connection) = handshake(stream).await.map_err(|e| e.to_string())?;
    // Frames move while the connection is polled. Its end shows in the call.
    let drive = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = call(client, format!("{host}:{port}"), service) => outcome,
        () = drive => Err("the connection ended".to_owned()),
    }
}

async fn call(client: SendRequest<bytes::Bytes>, authority: String, service: &str) -> Result<u64, String> {
    let failed = |e: h2::Error| e.to_string();
    let request = http_0_2::Request::post(format!("http://{authority}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/1.36")
        .body(())
        .map_err(|e| e.to_string())?;
    let mut client = client.ready().await.map_err(failed)?;
    let (answer, mut body) = client.send_request(request, false).map_err(failed)?;
    body.send_data(message(service).into(), true).map_err(failed)?;
    let (head, mut body) = answer.await.map_err(failed)?.into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(failed)?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER {
            return Err("the answer is too long".to_owned());
        }
        // Never more than a window: nothing needs to be given back beyond this.
        body.flow_control().release_capacity(chunk.len()).map_err(failed)?;
    }
    let trailers = body.trailers().await.map_err(failed)?.unwrap_or_default();
    let text = |name: &str| {
        let value = trailers.get(name).or(head.headers.get(name));
        value.and_then(|v| v.to_str().ok()).map(str::to_owned)
    };
    match text("grpc-status").as_deref() {
        Some("0") => status(&bytes).ok_or_else(|| "the answer is no HealthCheckResponse".to_owned()),
        Some(code) => Err(format!("rpc error: code = {code} desc = {}", text("grpc-message").unwrap_or_default())),
        None => Err(format!("unexpected HTTP status code {}", head.status)),
    }
}

/// `HealthCheckRequest { service = 1 }` as a gRPC message: not compressed, length, protobuf.
fn message(service: &str) -> Vec<u8> {
    let mut field = Vec::new();
    if !service.is_empty() {
        field.push(0x0a);
        let mut length = service.len();
        while length > 0x7f {
            field.push(length as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        field.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), &field].concat()
}

/// `HealthCheckResponse { status = 1 }`; a field that is absent is zero.
fn status(bytes: &[u8]) -> Option<u64> {
    let (header, field) = bytes.split_first_chunk::<5>()?;
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    if header[0] != 0 || usize::try_from(length).ok()? != field.len() {
        return None;
    }
    match field {
        [] => Some(0),
        [0x08, value] if *value < 0x80 => Some(u64::from(*value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that answers one call.
    async fn serve(listener: TcpListener, answer: Vec<u8>, code: &'static str) {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
        while let Some(Ok((mut request, mut respond))) = connection.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                let asked = request.body_mut().data().await.expect("a message").expect("whole");
                assert_eq!(&asked[..], b"\0\0\0\0\x05\x0a\x03web");
                let head = http_0_2::Response::new(());
                let mut body = respond.send_response(head, false).expect("sent");
                body.send_data(bytes::Bytes::from(answer), false).expect("sent");
                let mut trailers = http_0_2::HeaderMap::new();
                trailers.insert("grpc-status", code.parse().expect("a value"));
                body.send_trailers(trailers).expect("sent");
            });
        }
    }

    #[tokio::test]
    async fn only_serving_is_healthy() {
        for (answer, code, expected) in [
            (&b"\0\0\0\0\x02\x08\x01"[..], "0", Ok(())),
            (b"\0\0\0\0\x02\x08\x02", "0", Err("service unhealthy (responded with \"NOT_SERVING\")")),
            (b"\0\0\0\0\0", "0", Err("service unhealthy (responded with \"UNKNOWN\")")),
            (b"", "5", Err("error: health rpc probe failed: rpc error: code = 5 desc = ")),
            (b"\0\0\0\0\x09\x08\x01", "0", Err("error: health rpc probe failed: the answer is no HealthCheckResponse")),
        ] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let port = listener.local_addr().expect("an address").port();
            let server = tokio::spawn(serve(listener, answer.to_vec(), code));
            let outcome = check("127.0.0.1", port, "web", Duration::from_secs(5)).await;
            assert_eq!(outcome, expected.map_err(str::to_owned), "{answer:?}");
            server.abort();
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_waited_for_so_long() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let outcome = check("127.0.0.1", port, "", Duration::from_millis(100)).await;
        assert!(outcome.expect_err("a failure").starts_with("timeout: "));
    }
}
