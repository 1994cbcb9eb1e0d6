//! Logs, exec, attach and port-forward: relayed to the node's agent.
//!
//! The agent speaks the subprotocols; what passes here are raw bytes. SPDY/3.1, which
//! older clients fall back to, is deliberately absent for now.

use super::{
    app::App,
    entry::{Request, text},
};
use actix_web::{
    HttpResponse,
    http::{Method, StatusCode, header},
    web::{Data, Payload},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use podium_types::{ApiError, Key};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
};

/// How long an agent may take to be reached and to begin its answer.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes read from an agent at once.
const CHUNK: usize = 32 * 1024;
/// Longest error text that is read from an agent.
const MAX_ERROR: usize = 8 * 1024;
/// Port of an agent that does not tell its own.
const KUBELET_PORT: u16 = 10250;
/// Headers of an upgrade, beside `Connection` and `Upgrade`.
const UPGRADE_HEADERS: &[&str] =
    &["sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions"];
const ANSWER_HEADERS: &[&str] = &["sec-websocket-accept", "sec-websocket-protocol"];

/// Reaches agents with the API server's client certificate.
pub(crate) struct Agents {
    tls: Arc<rustls::ClientConfig>,
}

/// Where an agent listens.
struct Node {
    name: String,
    address: String,
    port: u16,
}

type Agent = http1::SendRequest<Empty<Bytes>>;

fn unreachable(node: &Node, why: impl std::fmt::Display) -> ApiError {
    ApiError::internal(format!("error dialing node {}: {}:{}: {why}", node.name, node.address, node.port))
}

impl Agents {
    pub(crate) fn new(tls: Arc<rustls::ClientConfig>) -> Self {
        Self { tls }
    }

    async fn connect(&self, node: &Node) -> Result<Agent, ApiError> {
        let dial = async {
            let tcp = TcpStream::connect((node.address.as_str(), node.port)).await.map_err(|e| unreachable(node, e))?;
            let _ = tcp.set_nodelay(true);
            // The certificate must be that node's, whatever answers at its address.
            let name = rustls_pki_types::ServerName::try_from(node.name.clone()).map_err(|e| unreachable(node, e))?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
            let stream = connector.connect(name, tcp).await.map_err(|e| unreachable(node, e))?;
            let (sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(node, e))?;
            // It ends with the stream that it carries.
            drop(tokio::spawn(connection.with_upgrades()));
            Ok(sender)
        };
        tokio::time::timeout(CONNECT, dial).await.unwrap_or_else(|_| Err(unreachable(node, "timed out")))
    }
}

/// Relays a log, exec, attach or port-forward request.
pub(crate) async fn serve(request: Request, payload: Payload, app: &Data<App>) -> Result<HttpResponse, ApiError> {
    let target = &request.target;
    let pod = app.api.get(target.kind, &target.key()).await?.value();
    let node = node(app, &pod, &target.name)?;
    let path = agent_path(&request, &pod)?;
    if target.subresource == "log" {
        return log(&request, app, &node, &path).await;
    }
    let upgrade = text(&request.http, header::UPGRADE).to_ascii_lowercase();
    if upgrade.starts_with("spdy/") {
        let why = "SPDY/3.1 is not served: use a client that speaks WebSocket (v5.channel.k8s.io), such as kubectl 1.31 or newer";
        return Err(ApiError::bad_request(why));
    }
    if upgrade != "websocket" {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    relay(&request, payload, app, &node, &path).await
}

fn node(app: &App, pod: &Value, name: &str) -> Result<Node, ApiError> {
    let host = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if host.is_empty() {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    let nodes = podium_kinds::by_resource("nodes").ok_or_else(ApiError::no_such_path)?;
    let node = app.api.peek(nodes, &Key::new("", host)).ok_or_else(|| ApiError::not_found("nodes", "", host))?.value();
    let addresses = node["status"]["addresses"].as_array().map_or(&[][..], Vec::as_slice);
    let address = addresses.iter().find(|a| a["type"] == "InternalIP").and_then(|a| a["address"].as_str());
    let address =
        address.ok_or_else(|| ApiError::internal(format!("no preferred addresses found for node {host:?}")))?;
    let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64();
    Ok(Node {
        name: host.to_owned(),
        address: address.to_owned(),
        port: port.and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0).unwrap_or(KUBELET_PORT),
    })
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

async fn ask(
    agents: &Agents,
    node: &Node,
    request: hyper::Request<Empty<Bytes>>,
) -> Result<hyper::Response<Incoming>, ApiError> {
    let mut agent = agents.connect(node).await?;
    let answer = tokio::time::timeout(CONNECT, agent.send_request(request)).await;
    answer.map_err(|_| unreachable(node, "timed out"))?.map_err(|e| unreachable(node, e))
}

fn asked(method: &str, node: &Node, path: &str) -> hyper::http::request::Builder {
    hyper::Request::builder().method(method).uri(path).header("host", format!("{}:{}", node.name, node.port))
}

/// The agent's refusal in its own words.
async fn refusal(response: hyper::Response<Incoming>) -> ApiError {
    let code = response.status().as_u16();
    let body = http_body_util::Limited::new(response.into_body(), MAX_ERROR).collect().await;
    let text = body.map(|b| String::from_utf8_lossy(&b.to_bytes()).trim().to_owned()).unwrap_or_default();
    match code {
        400 => ApiError::bad_request(text),
        404 => ApiError::new(404, "NotFound", text),
        _ => ApiError::new(500, "InternalError", text),
    }
}

async fn log(request: &Request, app: &Data<App>, node: &Node, path: &str) -> Result<HttpResponse, ApiError> {
    let ask_for = asked("GET", node, path).body(Empty::new()).map_err(|e| unreachable(node, e))?;
    let response = ask(&app.agents, node, ask_for).await?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let stop = app.stop.clone();
    let mut body = response.into_body();
    let stream = async_stream::stream! {
        loop {
            let frame = tokio::select! {
                () = stop.cancelled() => break,
                frame = body.frame() => frame,
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        yield Ok::<Bytes, hyper::Error>(data);
                    }
                }
                Some(Err(error)) => {
                    yield Err(error);
                    break;
                }
                None => break,
            }
        }
    };
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/plain");
    if *request.http.method() == Method::HEAD {
        return Ok(answer.finish());
    }
    Ok(answer.streaming(stream))
}

async fn relay(
    request: &Request,
    payload: Payload,
    app: &Data<App>,
    node: &Node,
    path: &str,
) -> Result<HttpResponse, ApiError> {
    let mut builder = asked("GET", node, path).header("connection", "Upgrade").header("upgrade", "websocket");
    for name in UPGRADE_HEADERS {
        for value in request.http.headers().get_all(*name) {
            builder = builder.header(*name, value.as_bytes());
        }
    }
    let ask_for = builder.body(Empty::new()).map_err(|e| unreachable(node, e))?;
    let mut response = ask(&app.agents, node, ask_for).await?;
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
    let upgraded = hyper::upgrade::on(&mut response).await.map_err(|e| unreachable(node, e))?;
    let (from_agent, to_agent) = tokio::io::split(TokioIo::new(upgraded));
    // Ends with the client's half of the connection, which ends with the answer's stream.
    drop(actix_rt::spawn(upstream(payload, to_agent)));
    Ok(answer.streaming(downstream(from_agent, app.stop.clone())))
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

fn downstream(
    mut agent: ReadHalf<TokioIo<Upgraded>>,
    stop: tokio_util::sync::CancellationToken,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    async_stream::stream! {
        loop {
            let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
            let read = tokio::select! {
                () = stop.cancelled() => break,
                read = agent.read_buf(&mut chunk) => read,
            };
            match read {
                Ok(0) => break,
                Ok(_) => yield Ok(chunk.freeze()),
                Err(error) => {
                    yield Err(error);
                    break;
                }
            }
        }
    }
}
