//! Upgrades to SPDY/3.1: negotiated with the client here, carried to the agent in a WebSocket.

use super::{
    carry::{self, Wish},
    downstream, socket,
};
use crate::{
    agents::{Node, refusal},
    http::{app::App, entry::Request},
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::Empty;
use podium_types::ApiError;
use tokio::sync::mpsc;

/// What a client may ask for and what is then spoken.
const VERSION: &str = "x-stream-protocol-version";
/// Of exec and attach, the one we like best first.
const CHANNELS: &[&str] = &["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
/// Of port-forward.
const FORWARD: &[&str] = &["portforward.k8s.io"];
/// What the agent is asked for.
const AGENT_CHANNELS: &str = "v5.channel.k8s.io";
const AGENT_FORWARD: &str = "SPDY/3.1+portforward.k8s.io";
/// Pieces that wait for a slow client; then the agent waits.
const QUEUE: usize = 16;

/// Answers the upgrade and carries what follows.
pub(super) async fn serve(
    request: &Request,
    payload: Payload,
    app: &Data<App>,
    node: &Node,
    path: &str,
) -> Result<HttpResponse, ApiError> {
    let forward = request.target.subresource == "portforward";
    let (ours, protocol) = if forward { (FORWARD, AGENT_FORWARD) } else { (CHANNELS, AGENT_CHANNELS) };
    let version = negotiate(request, ours)?;
    let ask_for = node
        .request("GET", path)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", STANDARD.encode(uuid::Uuid::new_v4().into_bytes()))
        .header("sec-websocket-protocol", protocol);
    let mut response = app.agents.ask(node, ask_for.body(Empty::new()).map_err(|e| node.unreachable(e))?).await?;
    if response.status().as_u16() != 101 {
        return Err(refusal(response).await);
    }
    let upgraded = hyper::upgrade::on(&mut response).await.map_err(|e| node.unreachable(e))?;
    let (hearer, teller) = socket::open(upgraded);
    let (out, written) = mpsc::channel::<Bytes>(QUEUE);
    if forward {
        actix_rt::spawn(carry::forward(payload, out, hearer, teller));
    } else {
        // The first version, which has no resizing, ends in plain text as the second and third do.
        let wish = Wish::new(&request.params, version == CHANNELS[0]);
        actix_rt::spawn(carry::channels(payload, out, hearer, teller, wish));
    }
    let mut answer = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    answer.upgrade("SPDY/3.1").insert_header((VERSION, version));
    Ok(answer.streaming(downstream(written, app.stop.clone())))
}

/// The best version that both sides speak; a client that names none speaks the first there was.
fn negotiate(request: &Request, ours: &'static [&'static str]) -> Result<&'static str, ApiError> {
    let values = request.http.headers().get_all(VERSION).filter_map(|v| v.to_str().ok());
    let offered: Vec<&str> = values.flat_map(|v| v.split(',')).map(str::trim).filter(|v| !v.is_empty()).collect();
    let last = ours.last().copied().unwrap_or_default();
    if offered.is_empty() {
        return Ok(last);
    }
    let best = ours.iter().find(|v| offered.contains(*v));
    best.copied().ok_or_else(|| {
        let why = format!(
            "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]",
            offered.join(" "),
            ours.join(" ")
        );
        ApiError::new(403, "Forbidden", why)
    })
}
