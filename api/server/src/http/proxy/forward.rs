//! One proxied request: its headers and body go there, the answer comes back as it is made.

use super::{
    super::{accept::Spdy, app::App, entry::Request, pass, streams::relayed},
    locate::Place,
    location, wire,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::{Data, Payload},
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Either, Empty, StreamBody};
use hyper::{Response, body::Frame, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use podium_types::ApiError;
use std::time::Duration;

/// How long the answer may take to begin.
const ANSWER: Duration = Duration::from_secs(60);
/// Headers that are between two neighbours alone (RFC 9110 §7.6.1).
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Beside them, what the one behind must not learn, or what is written anew.
const OURS: &[&str] = &["authorization", "host", "content-length", "x-forwarded-uri", "x-forwarded-host"];

/// Passes the request to `place`; `before` is the proxy's path, `path` what follows it.
pub(super) async fn forward(
    request: &Request,
    payload: Payload,
    app: &Data<App>,
    place: &Place,
    before: &str,
    path: &str,
) -> Result<HttpResponse, ApiError> {
    let http = &request.http;
    let stream = TokioIo::new(wire::connect(app, place).await?);
    let spdy = http.conn_data::<Spdy>().is_some_and(Spdy::take);
    let upgrade =
        if spdy { Some("SPDY/3.1") } else { http.headers().get(header::UPGRADE).and_then(|v| v.to_str().ok()) };
    let builder = head(http, place, path, upgrade)?;
    let wrong = |e: hyper::http::Error| ApiError::bad_request(e.to_string());
    if let Some(upgrade) = upgrade {
        let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(stream).await.map_err(wire::unreachable)?;
        // It ends with the stream that it carries.
        drop(actix_rt::spawn(connection.with_upgrades()));
        let asked = sender.send_request(builder.body(Empty::new()).map_err(wrong)?);
        let mut response = answered(asked).await?;
        if response.status().as_u16() != 101 {
            return Ok(back(http, response, place, before, app));
        }
        let mut answer = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
        answer.upgrade(upgrade);
        for (name, value) in kept(response.headers()) {
            answer.append_header((name.as_str(), value.as_bytes()));
        }
        let upgraded = hyper::upgrade::on(&mut response).await.map_err(wire::unreachable)?;
        return Ok(answer.streaming(relayed(payload, upgraded, app.stop.clone())));
    }
    let body = if has_body(http) {
        Either::Left(StreamBody::new(payload.map_ok(Frame::data)))
    } else {
        Either::Right(Empty::new().map_err(|never: std::convert::Infallible| match never {}))
    };
    let (mut sender, connection) = http1::handshake(stream).await.map_err(wire::unreachable)?;
    // It ends with the answer.
    drop(actix_rt::spawn(connection));
    let response = answered(sender.send_request(builder.body(body).map_err(wrong)?)).await?;
    Ok(back(http, response, place, before, app))
}

async fn answered(
    asked: impl Future<Output = Result<Response<Incoming>, hyper::Error>>,
) -> Result<Response<Incoming>, ApiError> {
    let answer = tokio::time::timeout(ANSWER, asked).await;
    answer.map_err(|_| wire::unreachable("net/http: timeout awaiting response headers"))?.map_err(wire::unreachable)
}

/// Whether a body may follow; in HTTP/2 it need not be announced.
fn has_body(http: &HttpRequest) -> bool {
    let announced = http.headers().get(header::CONTENT_LENGTH).map(|v| v.as_bytes() != b"0");
    let quiet = matches!(*http.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE);
    announced.unwrap_or(http.headers().contains_key(header::TRANSFER_ENCODING) || !quiet)
}

/// The request's line and headers, as the one behind gets them.
fn head(
    http: &HttpRequest,
    place: &Place,
    path: &str,
    upgrade: Option<&str>,
) -> Result<hyper::http::request::Builder, ApiError> {
    let query = http.query_string();
    let path = if path.is_empty() { "/" } else { path };
    let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut builder = hyper::Request::builder()
        .method(http.method().as_str())
        .uri(uri)
        .header("host", place.authority())
        .header("x-forwarded-uri", http.path())
        .header("x-forwarded-host", host(http));
    for (name, value) in http.headers() {
        let name = name.as_str();
        if !HOP_BY_HOP.contains(&name) && !OURS.contains(&name) && !name.starts_with("impersonate-") {
            builder = builder.header(name, value.as_bytes());
        }
    }
    if let Some(length) = http.headers().get(header::CONTENT_LENGTH).filter(|_| upgrade.is_none() && has_body(http)) {
        builder = builder.header("content-length", length.as_bytes());
    }
    if let Some(upgrade) = upgrade {
        builder = builder.header("connection", "Upgrade").header("upgrade", upgrade);
    }
    Ok(builder)
}

/// What the client calls us.
fn host(http: &HttpRequest) -> String {
    let header = http.headers().get(header::HOST).and_then(|v| v.to_str().ok()).map(str::to_owned);
    header.or_else(|| http.uri().authority().map(ToString::to_string)).unwrap_or_default()
}

fn kept(headers: &hyper::HeaderMap) -> impl Iterator<Item = (&hyper::header::HeaderName, &hyper::header::HeaderValue)> {
    headers.iter().filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str()))
}

/// The answer, on its way to the client.
fn back(
    http: &HttpRequest,
    response: Response<Incoming>,
    place: &Place,
    before: &str,
    app: &Data<App>,
) -> HttpResponse {
    let (head, body) = response.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut answer = HttpResponse::build(status);
    for (name, value) in kept(&head.headers).filter(|(name, _)| *name != "content-length") {
        let location = (*name == "location").then(|| value.to_str().ok()).flatten();
        match location {
            Some(text) => {
                let text = location::rewrite(text, &place.authority(), &host(http), before);
                answer.append_header((header::LOCATION, text))
            }
            None => answer.append_header((name.as_str(), value.as_bytes())),
        };
    }
    let length = head.headers.get("content-length").and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = length {
        answer.no_chunking(length);
    }
    if *http.method() == Method::HEAD || matches!(status.as_u16(), 204 | 304) {
        return answer.finish();
    }
    answer.streaming(pass::data(body, app.stop.clone()).boxed_local())
}
