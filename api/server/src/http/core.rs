//! Resources of core that are not stored: `bindings`, an older way to bind a pod, and `componentstatuses`.

use super::{
    answer,
    app::App,
    body, entry,
    negotiate::{self, Form},
    params::Params,
};
use crate::{auth::authorize::Attributes, user::User};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::Payload,
};
use podium_kinds::componentstatus;
use podium_machinery::{
    decode,
    discovery::{CORE, Virtual},
    partial, protobuf,
    table::{self, IncludeObject},
};
use podium_types::{ApiError, Key, meta};
use serde_json::{Value, json};

/// What a path names.
pub(crate) struct Resource {
    of: &'static Virtual,
    namespace: String,
    name: String,
}

/// The resource that a path names, if it is one of these.
pub(crate) fn find(segments: &[String]) -> Option<Resource> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (namespace, plural, name) = match parts.as_slice() {
        ["api", "v1", "namespaces", namespace, plural] => (*namespace, *plural, ""),
        ["api", "v1", plural] => ("", *plural, ""),
        ["api", "v1", plural, name] => ("", *plural, *name),
        _ => return None,
    };
    let of = CORE.iter().find(|v| v.plural == plural && v.namespaced != namespace.is_empty())?;
    Some(Resource { of, namespace: namespace.to_owned(), name: name.to_owned() })
}

/// Answers a request for one.
pub(crate) async fn answer(
    request: &HttpRequest,
    payload: &mut Option<Payload>,
    resource: &Resource,
    user: User,
    app: &App,
) -> Result<HttpResponse, ApiError> {
    let verb = match *request.method() {
        Method::GET | Method::HEAD if resource.name.is_empty() => "list",
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        _ => return Err(ApiError::method_not_allowed()),
    };
    app.api.authorize(
        &user,
        &Attributes {
            verb,
            resource: resource.of.plural,
            namespace: &resource.namespace,
            name: &resource.name,
            ..Attributes::default()
        },
    )?;
    if !resource.of.verbs.contains(&verb) {
        return Err(ApiError::method_not_allowed());
    }
    let _place = app.limits.enter(&user, verb == "create")?;
    match verb {
        "create" => bind(request, payload, &resource.namespace, &user, app).await,
        _ => components(request, &resource.name, app),
    }
}

/// `POST …/bindings`: the body names the pod.
async fn bind(
    request: &HttpRequest,
    payload: &mut Option<Payload>,
    namespace: &str,
    user: &User,
    app: &App,
) -> Result<HttpResponse, ApiError> {
    let params = Params::parse(request.query_string())?;
    let options = params.write(entry::text(request, header::USER_AGENT), "CreateOptions")?;
    let bytes = body::read(request, entry::take(payload)?).await?;
    let schema = "io.k8s.api.core.v1.Binding";
    let decoded = body::object(&body::content_type(request), &bytes, schema, params.validation()?)?;
    let mut binding = decoded.value;
    decode::expect_kind(&mut binding, "v1", "Binding")?;
    let told = meta::string(&binding, "namespace");
    if !told.is_empty() && told != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(why));
    }
    let name = meta::string(&binding, "name").to_owned();
    app.api.bind(user, &Key::new(namespace, &name), &binding, &options).await?;
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(answer::json(request, StatusCode::CREATED, done.to_string().into(), &decoded.warnings))
}

/// The parts of the control plane, or one of them.
fn components(request: &HttpRequest, name: &str, app: &App) -> Result<HttpResponse, ApiError> {
    let form = negotiate::form(entry::text(request, header::ACCEPT), true, true)?;
    let backend = app.api.backend();
    let tree = podium_kinds::by_resource("actors.supervision.podium.dev").ok_or_else(ApiError::no_such_path)?;
    let actors = backend.snapshot(tree);
    let actors: Vec<Value> = actors.list(None, None).map(|actor| actor.value()["status"].clone()).collect();
    let mut parts = componentstatus::all(&actors, backend.ready());
    let of = &componentstatus::KIND;
    for part in &mut parts {
        part["kind"] = json!(of.kind);
        part["apiVersion"] = json!(of.api_version());
    }
    if !name.is_empty() {
        parts.retain(|part| meta::name(part) == name);
        if parts.is_empty() {
            return Err(ApiError::not_found(of.plural, of.group, name));
        }
    }
    let whole = |items: Vec<Value>, list: &str, version: &str| match name {
        "" => json!({"kind": list, "apiVersion": version, "metadata": {}, "items": items}),
        _ => items.into_iter().next().unwrap_or_default(),
    };
    let told = match form {
        Form::Table => table::render(of, parts.into_iter(), backend.now(), IncludeObject::default(), json!({})),
        Form::Metadata | Form::BinaryMetadata => {
            whole(parts.iter().map(partial::metadata).collect(), "PartialObjectMetadataList", "meta.k8s.io/v1")
        }
        Form::Plain | Form::Binary => whole(parts, of.list_kind, &of.api_version()),
    };
    let body = if form.is_binary() { protobuf::encode(&told).unwrap_or_default() } else { told.to_string().into() };
    Ok(answer::deprecating(answer::formed(request, StatusCode::OK, form, body.into(), &[]), of))
}
