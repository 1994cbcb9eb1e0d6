//! Logs, exec, attach and port-forward: relayed to the node's agent.
//!
//! The agent speaks the subprotocols of WebSockets; what passes here of those are raw bytes. SPDY/3.1, which older
//! clients speak, is translated.

mod carry;
mod socket;
mod spdy;

use super::{
    accept::Spdy,
    app::App,
    entry::{Request, text},
    pass,
};
use crate::agents::{Node, refusal};
use actix_web::{
    HttpResponse,
    http::{Method, StatusCode, header},
    web::{Data, Payload},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use podium_types::ApiError;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, WriteHalf},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// Bytes read from an agent at once.
const CHUNK: usize = 32 * 1024;
/// Pieces that wait for a slow client; then the agent waits.
const QUEUE: usize = 4;
/// Headers of an upgrade, beside `Connection` and `Upgrade`.
const UPGRADE_HEADERS: &[&str] =
    &["sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions"];
const ANSWER_HEADERS: &[&str] = &["sec-websocket-accept", "sec-websocket-protocol"];

/// Relays a log, exec, attach or port-forward request.
pub(crate) async fn serve(request: Request, payload: Payload, app: &Data<App>) -> Result<HttpResponse, ApiError> {
    let target = &request.target;
    let pod = app.api.get(target.kind, &target.key()).await?.value();
    let node = node(app, &pod, &target.name)?;
    let path = agent_path(&request, &pod)?;
    if target.subresource == "log" {
        return log(&request, app, &node, &path).await;
    }
    if request.http.conn_data::<Spdy>().is_some_and(Spdy::take) {
        return spdy::serve(&request, payload, app, &node, &path).await;
    }
    if !text(&request.http, header::UPGRADE).eq_ignore_ascii_case("websocket") {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    relay(&request, payload, app, &node, &path).await
}

fn node(app: &App, pod: &Value, name: &str) -> Result<Node, ApiError> {
    let host = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if host.is_empty() {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    Node::locate(&**app.api.backend(), host)
}

/// The agent's path for the request, with the client's query.
fn agent_path(request: &Request, pod: &Value) -> Result<String, ApiError> {
    let target = &request.target;
    let query = request.http.query_string();
    let tail = if query.is_empty() { String::new() } else { format!("?{query}") };
    let (namespace, name) = (&target.namespace, &target.name);
    let verb = match target.subresource.as_str() {
        "portforward" => return Ok(format!("/portForward/{namespace}/{name}{tail}")),
        "log" => "containerLogs",
        other => other,
    };
    let container = container(pod, name, request.params.text("container"))?;
    Ok(format!("/{verb}/{namespace}/{name}/{container}{tail}"))
}

/// The container that was asked for, or the only one there is.
fn container(pod: &Value, name: &str, asked: &str) -> Result<String, ApiError> {
    let names = |list: &str| {
        let list = pod["spec"][list].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(|c| c["name"].as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    let (main, init) = (names("containers"), names("initContainers"));
    if !asked.is_empty() {
        let known = main.iter().chain(&init).chain(&names("ephemeralContainers")).any(|n| n == asked);
        let why = || ApiError::bad_request(format!("container {asked} is not valid for pod {name}"));
        return known.then(|| asked.to_owned()).ok_or_else(why);
    }
    match main.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(ApiError::bad_request(format!("pod {name} has no containers"))),
        _ => {
            let default = &pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"];
            if let Some(default) = default.as_str().filter(|d| main.iter().any(|n| n == d)) {
                return Ok(default.to_owned());
            }
            let mut why =
                format!("a container name must be specified for pod {name}, choose one of: [{}]", main.join(" "));
            if !init.is_empty() {
                why.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
            }
            Err(ApiError::bad_request(why))
        }
    }
}

async fn log(request: &Request, app: &Data<App>, node: &Node, path: &str) -> Result<HttpResponse, ApiError> {
    let ask_for = node.request("GET", path).body(Empty::new()).map_err(|e| node.unreachable(e))?;
    let response = app.agents.ask(node, ask_for).await?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/plain");
    if *request.http.method() == Method::HEAD {
        return Ok(answer.finish());
    }
    Ok(answer.streaming(pass::data(response.into_body(), app.stop.clone()).boxed_local()))
}

async fn relay(
    request: &Request,
    payload: Payload,
    app: &Data<App>,
    node: &Node,
    path: &str,
) -> Result<HttpResponse, ApiError> {
    let mut builder = node.request("GET", path).header("connection", "Upgrade").header("upgrade", "websocket");
    for name in UPGRADE_HEADERS {
        for value in request.http.headers().get_all(*name) {
            builder = builder.header(*name, value.as_bytes());
        }
    }
    let ask_for = builder.body(Empty::new()).map_err(|e| node.unreachable(e))?;
    let mut response = app.agents.ask(node, ask_for).await?;
    if response.status().as_u16() != 101 {
        return Err(refusal(response).await);
    }
    let mut answer = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    answer.upgrade("websocket");
    for name in ANSWER_HEADERS {
        if let Some(value) = response.headers().get(*name) {
            answer.insert_header((*name, value.as_bytes()));
        }
    }
    let upgraded = hyper::upgrade::on(&mut response).await.map_err(|e| node.unreachable(e))?;
    Ok(answer.streaming(relayed(payload, upgraded, app.stop.clone())))
}

/// Carries an upgraded connection both ways; what comes back goes to the client.
pub(super) fn relayed(
    payload: Payload,
    upgraded: Upgraded,
    stop: CancellationToken,
) -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    let (mut from_agent, to_agent) = tokio::io::split(TokioIo::new(upgraded));
    // Ends with the client's half of the connection, which ends with the answer's stream.
    drop(actix_rt::spawn(upstream(payload, to_agent)));
    let (out, written) = mpsc::channel(QUEUE);
    drop(actix_rt::spawn(async move {
        loop {
            let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
            if from_agent.read_buf(&mut chunk).await.unwrap_or(0) == 0 || out.send(chunk.freeze()).await.is_err() {
                return;
            }
        }
    }));
    downstream(written, stop)
}

async fn upstream(mut payload: Payload, mut agent: WriteHalf<TokioIo<Upgraded>>) {
    while let Some(Ok(chunk)) = payload.next().await {
        if agent.write_all(&chunk).await.is_err() || agent.flush().await.is_err() {
            return;
        }
    }
    // The agent hears of the client's end; an error means that it has ended first.
    let _ = agent.shutdown().await;
}

/// What goes to the client, until the server stops.
fn downstream(
    mut written: mpsc::Receiver<Bytes>,
    stop: CancellationToken,
) -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    async_stream::stream! {
        loop {
            let chunk = tokio::select! {
                () = stop.cancelled() => break,
                chunk = written.recv() => chunk,
            };
            let Some(chunk) = chunk else { break };
            yield Ok(chunk);
        }
    }
}
