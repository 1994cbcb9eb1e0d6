//! PATCH with a configuration to apply.

use super::{app::App, body, entry::Request, read::included, write};
use crate::verbs::subresource;
use actix_web::{HttpResponse, http::StatusCode, web::Payload};
use podium_machinery::{
    apply,
    decode::{self, FieldValidation},
};
use podium_types::{ApiError, meta, registry};
use serde_json::Value;

/// Whether a content type asks for server-side apply.
pub(crate) fn is_apply(content_type: &str) -> bool {
    matches!(content_type, "application/apply-patch+yaml" | "application/apply-patch+json")
}

/// Applies the body to an object or subresource.
pub(crate) async fn serve(request: &Request, payload: Payload, app: &App) -> Result<HttpResponse, ApiError> {
    let (target, key) = (&request.target, request.target.key());
    let (kind, options, force) = (target.kind, request.write("PatchOptions")?, request.params.force(true)?);
    let validation = request.params.validation()?;
    let scale = target.subresource == "scale";
    request.form(!scale)?;
    included(request)?;
    let bytes = body::read(&request.http, payload).await?;
    let (sent, mut twice) = decode::configuration(&bytes)?;
    match validation {
        FieldValidation::Strict if !twice.is_empty() => {
            return Err(ApiError::bad_request(format!("error strict decoding YAML: {}", twice.join(", "))));
        }
        FieldValidation::Ignore => twice.clear(),
        _ => {}
    }
    if scale {
        let config = config(sent, subresource::SCALE, "autoscaling/v1", "Scale")?;
        let done = app.api.apply_scale(&request.user, kind, &key, &config, force, &options).await?;
        return Ok(write::value(request, StatusCode::OK, &done, &twice));
    }
    let config = config(sent, kind.schema, &kind.api_version(), kind.kind)?;
    let done = app.api.apply(&request.user, kind, &key, &target.subresource, config, force, &options).await?;
    let code = if done.created { StatusCode::CREATED } else { StatusCode::OK };
    write::written(request, app, code, &done, twice)
}

/// The configuration in the types of the API.
fn config(mut sent: Value, schema: &str, version: &str, kind: &str) -> Result<Value, ApiError> {
    let Some(schema) = registry::get(schema) else { return Err(ApiError::method_not_allowed()) };
    if sent["apiVersion"].as_str().is_none() || sent["kind"].as_str().is_none() {
        return Err(ApiError::bad_request("invalid object type: apiVersion and kind must be set"));
    }
    decode::expect_kind(&mut sent, version, kind)?;
    apply::check(schema, &sent).map_err(|why| {
        let (namespace, name) = (meta::namespace(&sent), meta::name(&sent));
        let title = format!("failed to create typed patch object ({namespace}/{name}; {version}, Kind={kind}): {why}");
        ApiError::new(500, "", title)
    })?;
    Ok(decode::value(sent, schema, FieldValidation::Ignore)?.value)
}
