//! POST, PUT, PATCH and DELETE.

use super::{
    answer,
    app::App,
    apply, body,
    entry::Request,
    listing,
    read::{included, render},
};
use crate::verbs::{ListOptions, Page, Patch, Written, subresource};
use actix_web::{HttpResponse, http::StatusCode, web::Payload};
use podium_kinds::Kind;
use podium_machinery::decode::{self, Decoded, FieldValidation};
use podium_types::{ApiError, registry};
use serde_json::{Value, json};

const PATCH_TYPES: &str = "application/json-patch+json, application/merge-patch+json, \
    application/strategic-merge-patch+json, application/apply-patch+yaml";
/// Evictions of this version are taken as well (as in Kubernetes): `kubectl drain` before 1.22 sends them.
const OLD_EVICTION: &str = "policy/v1beta1";
/// Kinds whose deletion answers the object even where it is gone at once (as in Kubernetes).
const RETURN_DELETED: &[&str] = &["pods", "services", "serviceaccounts"];

/// The body as the kind that the path serves.
async fn object(
    request: &Request,
    payload: Payload,
    schema: &str,
    version: &str,
    name: &str,
) -> Result<Decoded, ApiError> {
    let bytes = body::read(&request.http, payload).await?;
    let content_type = body::content_type(&request.http);
    let mut decoded = body::object(&content_type, &bytes, schema, request.params.validation()?)?;
    if name == "Eviction" && decoded.value["apiVersion"] == OLD_EVICTION {
        decoded.value["apiVersion"] = json!(version);
    }
    decode::expect_kind(&mut decoded.value, version, name)?;
    Ok(decoded)
}

pub(super) fn written(
    request: &Request,
    app: &App,
    code: StatusCode,
    done: &Written,
    mut warnings: Vec<String>,
) -> Result<HttpResponse, ApiError> {
    warnings.extend(done.warnings.iter().cloned());
    let kind = request.target.kind;
    let form = request.form(true)?;
    let body = render(kind, &done.object, form, included(request)?, app.api.backend().now());
    Ok(answer::formed(&request.http, code, form, body, &warnings))
}

pub(super) fn value(request: &Request, code: StatusCode, value: &Value, warnings: &[String]) -> HttpResponse {
    answer::json(&request.http, code, value.to_string().into(), warnings)
}

/// POST to a collection or to a subresource.
pub(crate) async fn create(request: &Request, payload: Payload, app: &App) -> Result<HttpResponse, ApiError> {
    let target = &request.target;
    let options = request.write("CreateOptions")?;
    if !target.subresource.is_empty() {
        return create_subresource(request, payload, app).await;
    }
    if target.namespace.is_empty() && target.kind.namespaced {
        return Err(ApiError::method_not_allowed());
    }
    // What cannot be answered is refused before anything is stored.
    request.form(true)?;
    included(request)?;
    let kind = target.kind;
    let decoded = object(request, payload, kind.schema, &kind.api_version(), kind.kind).await?;
    let done = app.api.create(&request.user, kind, &target.namespace, decoded.value, &options).await?;
    written(request, app, StatusCode::CREATED, &done, decoded.warnings)
}

async fn create_subresource(request: &Request, payload: Payload, app: &App) -> Result<HttpResponse, ApiError> {
    let (target, user, key) = (&request.target, &request.user, request.target.key());
    let options = request.write("CreateOptions")?;
    request.form(false)?;
    let (schema, version, name) = match (target.kind.resource, target.subresource.as_str()) {
        ("pods", "binding") => ("io.k8s.api.core.v1.Binding", "v1", "Binding"),
        ("pods", "eviction") => ("io.k8s.api.policy.v1.Eviction", "policy/v1", "Eviction"),
        ("serviceaccounts", "token") => {
            ("io.k8s.api.authentication.v1.TokenRequest", "authentication.k8s.io/v1", "TokenRequest")
        }
        _ => return Err(ApiError::method_not_allowed()),
    };
    let decoded = object(request, payload, schema, version, name).await?;
    let body = match target.subresource.as_str() {
        "binding" => {
            app.api.bind(user, &key, &decoded.value, &options).await?;
            subresource::success(201)
        }
        "eviction" => {
            let mut delete = request.params.delete(&decoded.value["deleteOptions"])?;
            delete.dry_run |= options.dry_run;
            app.api.evict(user, &key, &delete).await?
        }
        _ => app.api.token(user, &key, &decoded.value, &options).await?,
    };
    Ok(value(request, StatusCode::CREATED, &body, &decoded.warnings))
}

/// PUT of an object or subresource.
pub(crate) async fn update(request: &Request, payload: Payload, app: &App) -> Result<HttpResponse, ApiError> {
    let (target, key) = (&request.target, request.target.key());
    let (kind, options) = (target.kind, request.write("UpdateOptions")?);
    if target.subresource == "scale" {
        request.form(false)?;
        let schema = subresource::SCALE;
        let decoded = object(request, payload, schema, "autoscaling/v1", "Scale").await?;
        let scale = app.api.set_scale(&request.user, kind, &key, &decoded.value, &options).await?;
        return Ok(value(request, StatusCode::OK, &scale, &decoded.warnings));
    }
    request.form(true)?;
    included(request)?;
    let decoded = object(request, payload, kind.schema, &kind.api_version(), kind.kind).await?;
    let done = app.api.update(&request.user, kind, &key, &target.subresource, decoded.value, &options).await?;
    let code = if done.created { StatusCode::CREATED } else { StatusCode::OK };
    written(request, app, code, &done, decoded.warnings)
}

/// PATCH of an object or subresource.
pub(crate) async fn patch(request: &Request, payload: Payload, app: &App) -> Result<HttpResponse, ApiError> {
    let (target, key) = (&request.target, request.target.key());
    let (kind, options) = (target.kind, request.write("PatchOptions")?);
    let content_type = body::content_type(&request.http);
    request.params.force(apply::is_apply(&content_type))?;
    let wrap = match content_type.as_str() {
        _ if apply::is_apply(&content_type) => return apply::serve(request, payload, app).await,
        "application/json-patch+json" => Patch::Json,
        "application/merge-patch+json" => Patch::Merge,
        "application/strategic-merge-patch+json" => Patch::Strategic,
        _ => return Err(ApiError::unsupported_media_type(PATCH_TYPES)),
    };
    let validation = request.params.validation()?;
    let bytes = body::read(&request.http, payload).await?;
    let (change, issues) = decode::patch_json(&bytes)?;
    let change = wrap(change);
    let body = Body { bytes: &bytes, issues, validation };
    if target.subresource == "scale" {
        request.form(false)?;
        let scale = app.api.patch_scale(&request.user, kind, &key, &change, &options).await?;
        return Ok(value(request, StatusCode::OK, &scale, &[]));
    }
    request.form(true)?;
    included(request)?;
    let warnings = std::sync::Mutex::new(Vec::new());
    let check = |patched: Value| checked(kind, patched, &body, &warnings);
    let done = app.api.patch_checked(&request.user, kind, &key, &target.subresource, &change, &options, check).await?;
    let warnings = warnings.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    written(request, app, StatusCode::OK, &done, warnings)
}

/// The body of a patch, and what is wrong with it.
struct Body<'a> {
    bytes: &'a [u8],
    issues: Vec<String>,
    validation: FieldValidation,
}

/// Field validation of what a patch made; a repeated attempt replaces the warnings of the one before.
fn checked(
    kind: &Kind,
    patched: Value,
    body: &Body<'_>,
    warnings: &std::sync::Mutex<Vec<String>>,
) -> Result<Value, ApiError> {
    let Some(schema) = registry::get(kind.schema) else { return Ok(patched) };
    let decoded = decode::patched(patched, schema, body.validation, body.issues.clone(), body.bytes)?;
    *warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = decoded.warnings;
    Ok(decoded.value)
}

/// `DeleteOptions` from the body, where there is one.
async fn delete_options(request: &Request, payload: Payload) -> Result<crate::verbs::DeleteOptions, ApiError> {
    let bytes = body::read(&request.http, payload).await?;
    if bytes.is_empty() {
        return request.params.delete(&Value::Null);
    }
    let schema = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
    let content_type = body::content_type(&request.http);
    let decoded = body::object(&content_type, &bytes, schema, FieldValidation::Ignore)?;
    request.params.delete(&decoded.value)
}

/// DELETE of one object.
pub(crate) async fn delete(request: &Request, payload: Payload, app: &App) -> Result<HttpResponse, ApiError> {
    let target = &request.target;
    let form = request.form(true)?;
    let options = delete_options(request, payload).await?;
    let done = app.api.delete(&request.user, target.kind, &target.key(), &options).await?;
    if done.gone && !RETURN_DELETED.contains(&target.kind.resource) {
        let mut status = subresource::success(200);
        let mut details = json!({"name": target.name, "kind": target.kind.plural, "uid": done.object.uid});
        if !target.kind.group.is_empty() {
            details["group"] = json!(target.kind.group);
        }
        status["details"] = details;
        return Ok(value(request, StatusCode::OK, &status, &[]));
    }
    let body = render(target.kind, &done.object, form, included(request)?, app.api.backend().now());
    Ok(answer::formed(&request.http, StatusCode::OK, form, body, &[]))
}

/// DELETE of a collection: everything that the selectors select.
pub(crate) async fn delete_collection(
    request: &Request,
    payload: Payload,
    app: &App,
) -> Result<HttpResponse, ApiError> {
    let kind = request.target.kind;
    if request.target.namespace.is_empty() && kind.namespaced {
        return Err(ApiError::method_not_allowed());
    }
    request.form(true)?;
    let list = ListOptions { limit: 0, ..request.params.list(kind, &request.target.namespace)? };
    let options = delete_options(request, payload).await?;
    let page = app.api.list(kind, &list).await?;
    let objects = app.api.delete_collection(&request.user, kind, &page.objects, &options).await?;
    let page = Page { objects, ..page };
    let metadata = json!({"resourceVersion": page.revision.to_string()});
    Ok(listing::answer(&request.http, kind, page, &metadata))
}
