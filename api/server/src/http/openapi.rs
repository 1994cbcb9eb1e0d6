//! OpenAPI documents, made once; v3 per group and version with its hash in the URL, v2 as a whole.

use super::{answer, discover::VERSION, entry::text, negotiate::Form, review::REVIEWS};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use bytes::Bytes;
use podium_machinery::{discovery, openapi};
use podium_types::ApiError;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::OnceLock};

/// A document and what it is known by.
struct Document {
    body: Bytes,
    hash: String,
}

impl Document {
    fn new(value: &Value) -> Self {
        Self::of(value.to_string().into())
    }
    /// Version 2 in protobuf.
    fn binary() -> Self {
        Self::of(openapi::binary(&openapi::v2(VERSION.2, REVIEWS)).into())
    }
    fn of(body: Bytes) -> Self {
        let hash = hex::encode_upper(Sha256::digest(&body));
        Self { body, hash }
    }
}

/// By path: `api/v1`, `apis/apps/v1`.
static V3: OnceLock<BTreeMap<String, Document>> = OnceLock::new();
static V2: OnceLock<Document> = OnceLock::new();
/// Version 2 in protobuf.
static BINARY: OnceLock<Document> = OnceLock::new();
const JSON: &str = "application/json";
/// What a document that is asked for by its hash will ever be: the same.
const FOREVER: header::HeaderValue = header::HeaderValue::from_static("public, immutable, max-age=31536000");

fn v3() -> &'static BTreeMap<String, Document> {
    V3.get_or_init(|| {
        let made = discovery::group_versions(REVIEWS).into_iter().filter_map(|(group, version)| {
            let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
            Some((path, Document::new(&openapi::v3(group, version, REVIEWS)?)))
        });
        made.collect()
    })
}

/// `/openapi/v2`, `/openapi/v3` and what is below.
pub(crate) fn serve(request: &HttpRequest, rest: &[&str]) -> Result<HttpResponse, ApiError> {
    match rest {
        ["v2"] => {
            let accept = text(request, header::ACCEPT);
            if [openapi::MEDIA_TYPE, openapi::OLD_MEDIA_TYPE].iter().any(|media| accept.contains(media)) {
                return Ok(document(request, BINARY.get_or_init(Document::binary), openapi::MEDIA_TYPE));
            }
            super::negotiate::form(accept, false, false)?;
            let made = V2.get_or_init(|| Document::new(&openapi::v2(VERSION.2, REVIEWS)));
            Ok(document(request, made, JSON))
        }
        ["v3"] => {
            let paths: Map<String, Value> = v3()
                .iter()
                .map(|(path, d)| {
                    let url = format!("/openapi/v3/{path}?hash={}", d.hash);
                    (path.clone(), json!({"serverRelativeURL": url}))
                })
                .collect();
            Ok(answer::value(request, &json!({"paths": paths})))
        }
        ["v3", path @ ..] => {
            let found = v3().get(&path.join("/")).ok_or_else(ApiError::no_such_path)?;
            let mut response = document(request, found, JSON);
            if request.query_string().split('&').any(|param| param.strip_prefix("hash=") == Some(&found.hash)) {
                response.headers_mut().insert(header::CACHE_CONTROL, FOREVER);
            }
            Ok(response)
        }
        _ => Err(ApiError::no_such_path()),
    }
}

/// The document, or 304 where the client has it (RFC 9110 §13.1.2).
fn document(request: &HttpRequest, document: &Document, media: &'static str) -> HttpResponse {
    let tag = format!("\"{}\"", document.hash);
    let known = text(request, header::IF_NONE_MATCH).split(',').any(|t| t.trim().trim_start_matches("W/") == tag);
    if known {
        return HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish();
    }
    let form = if media == JSON { Form::Plain } else { Form::Binary };
    let mut response = answer::formed(request, StatusCode::OK, form, document.body.clone(), &[]);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media));
    if let Ok(tag) = header::HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
