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
/// Of a body that is too long, what is read before the answer all the same.
const MAX_DRAINED: usize = 16 * MAX_BODY;
/// For how long.
const MAX_DRAINING: Duration = Duration::from_secs(5);
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
        drain(payload).await;
        return Err(ApiError::too_large(MAX_BODY));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| ApiError::bad_request(format!("reading the body: {e}")))?;
        if body.len() + chunk.len() > MAX_BODY {
            drain(payload).await;
            return Err(ApiError::too_large(MAX_BODY));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads on and keeps nothing: a client that is answered before it has sent all takes the answer for a broken stream.
async fn drain(mut payload: Payload) {
    let mut left = MAX_DRAINED;
    let reading = async {
        while let Some(Ok(chunk)) = payload.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // A client that sends too much for too long does without its answer.
    let _ = tokio::time::timeout(MAX_DRAINING, reading).await;
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
