//! Request bodies: bounded, and read by their content type.

use actix_web::{HttpRequest, http::header, web::Payload};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use podium_machinery::{
    decode::{self, Decoded, FieldValidation},
    protobuf,
};
use podium_types::{ApiError, registry};
use std::time::Duration;

/// Longest body, as kube-apiserver has it.
pub(crate) const MAX_BODY: usize = 3 * 1024 * 1024;
/// Most bytes of a refused body that are read and dropped.
const MAX_DROPPED: usize = 64 * 1024 * 1024;
/// Longest time that a refused body may take to end.
const DROPPING: Duration = Duration::from_secs(10);
const OFFERS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The content type without parameters; empty where it is absent.
pub(crate) fn content_type(request: &HttpRequest) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The whole body; 413 where it is too long.
pub(crate) async fn read(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, ApiError> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|n| n > MAX_BODY) {
        discard(payload).await;
        return Err(ApiError::too_large(MAX_BODY));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| ApiError::bad_request(format!("reading the body: {e}")))?;
        if body.len() + chunk.len() > MAX_BODY {
            drop(body);
            discard(payload).await;
            return Err(ApiError::too_large(MAX_BODY));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads the rest of a body and drops it, up to [`MAX_DROPPED`] and no longer than [`DROPPING`].
///
/// An answer that comes before the body has ended resets the stream in HTTP/2, and many clients
/// then report the reset and not the answer.
pub(crate) async fn discard(mut payload: Payload) {
    let mut left = MAX_DROPPED;
    let rest = async {
        while let Some(Ok(chunk)) = payload.next().await {
            let Some(less) = left.checked_sub(chunk.len()) else { return };
            left = less;
        }
    };
    // Whoever sends more, or too slowly, has to do with the reset.
    let _ = tokio::time::timeout(DROPPING, rest).await;
}

/// The object in a body, of the type `schema`.
pub(crate) fn object(
    content_type: &str,
    body: &[u8],
    schema: &str,
    validation: FieldValidation,
) -> Result<Decoded, ApiError> {
    let known = registry::get(schema);
    match (content_type, known) {
        ("" | "application/json", Some(schema)) => decode::json(body, schema, validation),
        ("application/yaml" | "application/x-yaml", Some(schema)) => decode::yaml(body, schema, validation),
        ("application/vnd.kubernetes.protobuf", Some(schema)) => {
            Ok(Decoded { value: protobuf::decode_as(body, schema)?, warnings: Vec::new() })
        }
        ("" | "application/json", None) => Ok(Decoded { value: decode::free_json(body)?, warnings: Vec::new() }),
        _ => Err(ApiError::unsupported_media_type(OFFERS)),
    }
}
