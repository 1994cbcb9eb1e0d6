//! GET of an object and of a list.

use super::{
    answer,
    app::App,
    entry::{Request, text},
    listing,
    negotiate::{self, Form},
};
use crate::verbs::{ListOptions, Page, list::inconsistent};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use bytes::Bytes;
use podium_kinds::Kind;
use podium_machinery::{
    partial, protobuf,
    state::Object,
    table::{self, IncludeObject},
};
use podium_types::{ApiError, FieldError, Timestamp};
use serde_json::{Value, json};

/// `includeObject` of a table request.
pub(crate) fn included(request: &Request) -> Result<IncludeObject, ApiError> {
    let word = request.params.text("includeObject");
    IncludeObject::parse(word).ok_or_else(|| {
        let error = FieldError::not_supported("includeObject", &word.into(), &["None", "Metadata", "Object"]);
        ApiError::invalid("TableOptions", "meta.k8s.io", "", &[error])
    })
}

/// One object in the form that the client wants.
pub(crate) fn render(
    kind: &'static Kind,
    object: &Object,
    form: Form,
    include: IncludeObject,
    now: Timestamp,
) -> Bytes {
    match form {
        Form::Plain => object.json.clone(),
        Form::Metadata => partial::metadata(&object.value()).to_string().into(),
        Form::Binary => protobuf::encode(&object.value()).unwrap_or_default().into(),
        Form::BinaryMetadata => protobuf::encode(&partial::metadata(&object.value())).unwrap_or_default().into(),
        Form::Table => {
            let metadata = json!({"resourceVersion": object.revision.to_string()});
            table::render(kind, std::iter::once(object.value()), now, include, metadata).to_string().into()
        }
    }
}

/// GET of one object, or of a subresource that reads like it.
pub(crate) async fn get(request: &Request, app: &App) -> Result<HttpResponse, ApiError> {
    let target = &request.target;
    if target.subresource == "scale" {
        return scale(request, app).await;
    }
    let form = request.form(true)?;
    app.api.not_older(target.kind, request.params.text("resourceVersion")).await?;
    app.api.backend().refresh(target.kind).await;
    let object = app.api.get(target.kind, &target.key()).await?;
    let body = render(target.kind, &object, form, included(request)?, app.api.backend().now());
    Ok(answer::formed(&request.http, StatusCode::OK, form, body, &[]))
}

/// GET of a `scale`.
async fn scale(request: &Request, app: &App) -> Result<HttpResponse, ApiError> {
    let form = negotiate::form(text(&request.http, header::ACCEPT), true, false)?;
    let scale = app.api.scale(request.target.kind, &request.target.key()).await?;
    let told = match form {
        Form::Table => {
            let metadata = json!({"resourceVersion": scale["metadata"]["resourceVersion"]});
            let (now, include) = (app.api.backend().now(), included(request)?);
            table::render(&podium_kinds::scale::KIND, std::iter::once(scale), now, include, metadata)
        }
        Form::Metadata | Form::BinaryMetadata => partial::metadata(&scale),
        Form::Plain | Form::Binary => scale,
    };
    Ok(answer::value(&request.http, &told))
}

/// GET of a collection.
pub(crate) async fn list(request: &Request, app: &App) -> Result<HttpResponse, ApiError> {
    let kind = request.target.kind;
    let form = request.form(true)?;
    let options = request.params.list(kind, &request.target.namespace)?;
    app.api.backend().refresh(kind).await;
    let page = match app.api.list(kind, &options).await {
        Ok(page) => page,
        Err(error) => return Ok(refused(&error, &options)),
    };
    let metadata = metadata(&page);
    let now = app.api.backend().now();
    let body = match form {
        Form::Plain => return Ok(listing::answer(&request.http, kind, page, &metadata)),
        Form::Metadata => {
            let values: Vec<Value> = page.objects.iter().map(|o| o.value()).collect();
            partial::list(values.iter(), metadata).to_string().into()
        }
        Form::Binary => binary(&kind.api_version(), kind.list_kind, &metadata, page.objects.iter().map(|o| o.value())),
        Form::BinaryMetadata => {
            let objects = page.objects.iter().map(|o| partial::metadata(&o.value()));
            binary("meta.k8s.io/v1", "PartialObjectMetadataList", &metadata, objects)
        }
        Form::Table => {
            let objects = page.objects.iter().map(|o| o.value());
            table::render(kind, objects, now, included(request)?, metadata).to_string().into()
        }
    };
    Ok(answer::formed(&request.http, StatusCode::OK, form, body, &[]))
}

/// A list in protobuf; forms are only offered where the type is known.
fn binary(version: &str, kind: &str, metadata: &Value, objects: impl Iterator<Item = Value>) -> Bytes {
    protobuf::encode_list(version, kind, metadata, objects).unwrap_or_default().into()
}

/// A page that has expired comes with a token by which the client may go on nevertheless.
fn refused(error: &ApiError, options: &ListOptions) -> HttpResponse {
    let mut status = error.status();
    if error.code == 410
        && let Some(token) = inconsistent(&options.continue_token)
    {
        status["metadata"] = json!({"continue": token});
    }
    answer::status(error, status)
}

/// The list's own metadata.
fn metadata(page: &Page) -> Value {
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if !page.continue_token.is_empty() {
        metadata["continue"] = json!(page.continue_token);
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    metadata
}
