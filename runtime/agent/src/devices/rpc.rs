//! gRPC over a unix socket, as far as device plugins speak it: calls with one message, answers with one or many.

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use h2::{RecvStream, client::SendRequest, server::SendResponse};
use std::path::Path;
use tokio::net::UnixStream;

/// Longest message that is read, bytes (gRPC's own default).
const MAX_MESSAGE: usize = 4 << 20;
/// Calls of one client that are served at the same time.
const MAX_CALLS: usize = 16;
/// gRPC's code of an error that has no better one.
const UNKNOWN: &str = "2";

/// A message as gRPC frames it: not compressed, length, bytes.
fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

/// Bytes that become messages.
#[derive(Default)]
struct Frames(Vec<u8>);

impl Frames {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let Some(header) = self.0.first_chunk::<5>() else { return Ok(None) };
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if header[0] != 0 || length > MAX_MESSAGE {
            return Err("a message is compressed or too long".to_owned());
        }
        if self.0.len() < 5 + length {
            return Ok(None);
        }
        let rest = self.0.split_off(5 + length);
        let message = std::mem::replace(&mut self.0, rest);
        Ok(Some(message[5..].to_vec()))
    }
}

/// Calls `method` and waits for its one answer.
pub(super) async fn call(socket: &Path, method: &str, request: &[u8]) -> Result<Vec<u8>, String> {
    let mut answer = None;
    listen(socket, method, request, |message| {
        answer.get_or_insert(message);
    })
    .await?;
    answer.ok_or_else(|| "the answer is empty".to_owned())
}

/// Calls `method` and gives each message of the answer away, until the answer ends.
pub(super) async fn listen(
    socket: &Path,
    method: &str,
    request: &[u8],
    each: impl FnMut(Vec<u8>),
) -> Result<(), String> {
    let stream = UnixStream::connect(socket).await.map_err(|e| format!("{}: {e}", socket.display()))?;
    let (client, connection) = h2::client::handshake(stream).await.map_err(|e| e.to_string())?;
    // Frames move while the connection is polled. Its end shows in the call.
    let drive = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        outcome = talk(client, method, request, each) => outcome,
        () = drive => Err("the connection ended".to_owned()),
    }
}

async fn talk(
    client: SendRequest<Bytes>,
    method: &str,
    request: &[u8],
    mut each: impl FnMut(Vec<u8>),
) -> Result<(), String> {
    let failed = |e: h2::Error| e.to_string();
    let head = http_0_2::Request::post(format!("http://localhost{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|e| e.to_string())?;
    let mut client = client.ready().await.map_err(failed)?;
    let (answer, mut body) = client.send_request(head, false).map_err(failed)?;
    body.send_data(frame(request), true).map_err(failed)?;
    let (head, mut body) = answer.await.map_err(failed)?.into_parts();
    let mut frames = Frames::default();
    while let Some(chunk) = body.data().await {
        take(&mut frames, &mut body, &chunk.map_err(failed)?)?;
        while let Some(message) = frames.next()? {
            each(message);
        }
    }
    let trailers = body.trailers().await.map_err(failed)?.unwrap_or_default();
    let text =
        |name: &str| trailers.get(name).or(head.headers.get(name)).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match text("grpc-status") {
        "0" => Ok(()),
        "" => Err(format!("unexpected HTTP status code {}", head.status)),
        code => Err(format!("rpc error: code = {code} desc = {}", text("grpc-message"))),
    }
}

fn take(frames: &mut Frames, body: &mut RecvStream, chunk: &Bytes) -> Result<(), String> {
    frames.0.extend_from_slice(chunk);
    body.flow_control().release_capacity(chunk.len()).map_err(|e| e.to_string())
}

/// Serves calls on one connection, until it ends.
pub(super) async fn serve(stream: UnixStream, answer: impl Fn(&str, &[u8]) -> Result<Vec<u8>, String>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            next = connection.accept(), if open.len() < MAX_CALLS => match next {
                Some(Ok((request, respond))) => open.push(respond_to(request, respond, &answer)),
                _ => return,
            },
            Some(outcome) = open.next() => if let Err(error) = outcome {
                tracing::debug!(%error, "answering a device plugin");
            },
        }
    }
}

async fn respond_to(
    request: http_0_2::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answer: &impl Fn(&str, &[u8]) -> Result<Vec<u8>, String>,
) -> Result<(), String> {
    let failed = |e: h2::Error| e.to_string();
    let (head, mut body) = request.into_parts();
    let mut frames = Frames::default();
    let message = loop {
        match body.data().await {
            Some(chunk) => take(&mut frames, &mut body, &chunk.map_err(failed)?)?,
            None => return Err("the request has no message".to_owned()),
        }
        if let Some(message) = frames.next()? {
            break message;
        }
    };
    let answer = answer(head.uri.path(), &message);
    let head = http_0_2::Response::builder().header("content-type", "application/grpc").body(());
    let mut body = respond.send_response(head.map_err(|e| e.to_string())?, false).map_err(failed)?;
    let mut trailers = http_0_2::HeaderMap::new();
    let mut say = |name: &'static str, text: &str| {
        if let Ok(value) = text.parse() {
            trailers.insert(name, value);
        }
    };
    match answer {
        Ok(message) => {
            body.send_data(frame(&message), false).map_err(failed)?;
            say("grpc-status", "0");
        }
        Err(error) => {
            say("grpc-status", UNKNOWN);
            say("grpc-message", &error);
        }
    }
    body.send_trailers(trailers).map_err(failed)
}
