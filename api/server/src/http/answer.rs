//! Answers: JSON, Status, Warning headers, gzip for what is large.

use super::negotiate::Form;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use podium_kinds::Kind;
use podium_types::ApiError;
use serde_json::Value;
use std::io::Write;

/// Bodies from this size on are compressed where the client takes it (as kube-apiserver does).
pub(crate) const GZIP_FROM: usize = 128 * 1024;

/// A refusal.
pub(crate) fn error(error: &ApiError) -> HttpResponse {
    status(error, error.status())
}

/// A refusal with a Status of its own.
pub(crate) fn status(error: &ApiError, status: Value) -> HttpResponse {
    let code = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(code);
    if let Some(seconds) = error.retry_after {
        response.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    response.content_type("application/json").body(status.to_string())
}

/// JSON text with a code and warnings.
pub(crate) fn json(request: &HttpRequest, code: StatusCode, body: Bytes, warnings: &[String]) -> HttpResponse {
    formed(request, code, Form::Plain, body, warnings)
}

/// The same, for a body of that form.
pub(crate) fn formed(
    request: &HttpRequest,
    code: StatusCode,
    form: Form,
    body: Bytes,
    warnings: &[String],
) -> HttpResponse {
    let mut response = HttpResponse::build(code);
    response.content_type(form.media_type());
    for warning in warnings {
        response.append_header((header::WARNING, warning_text(warning)));
    }
    let body = if pretty(request) && !form.is_binary() { indent(&body) } else { body };
    if body.len() >= GZIP_FROM
        && takes_gzip(request)
        && let Some(packed) = gzip(&body)
    {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
        response.insert_header((header::VARY, "Accept-Encoding"));
        return response.body(packed);
    }
    response.body(body)
}

/// A JSON value with code 200.
pub(crate) fn value(request: &HttpRequest, value: &Value) -> HttpResponse {
    json(request, StatusCode::OK, Bytes::from(value.to_string()), &[])
}

pub(crate) fn pretty(request: &HttpRequest) -> bool {
    request.query_string().split('&').any(|p| matches!(p, "pretty" | "pretty=true" | "pretty=1"))
}

fn indent(body: &Bytes) -> Bytes {
    let parsed = serde_json::from_slice::<Value>(body).ok();
    parsed.and_then(|v| serde_json::to_vec_pretty(&v).ok()).map_or_else(|| body.clone(), Bytes::from)
}

pub(crate) fn takes_gzip(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|e| e.split(';').next().is_some_and(|e| e.trim() == "gzip"))
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// The same answer, with a word for those who use a kind that is going away.
pub(crate) fn deprecating(mut response: HttpResponse, kind: &Kind) -> HttpResponse {
    if let Some(Ok(warning)) = kind.deprecation().map(|text| HeaderValue::from_str(&warning_text(text))) {
        response.headers_mut().append(header::WARNING, warning);
    }
    response
}

/// RFC 7234 §5.5: code 299, no agent, quoted text.
fn warning_text(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    format!("299 - \"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}
