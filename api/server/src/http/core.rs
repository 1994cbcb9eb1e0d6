//! Resources of core that are not stored: `bindings`, an older way to bind a pod, and `componentstatuses`.

use super::{answer, app::App, body, entry, params::Params};
use crate::{auth::authorize::Attributes, user::User};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::Payload,
};
use podium_machinery::{
    decode,
    discovery::{CORE, Virtual},
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

/// The parts of the control plane: all of them live in this process, but for the database.
fn components(request: &HttpRequest, name: &str, app: &App) -> Result<HttpResponse, ApiError> {
    let part = |name: &str, healthy: bool, word: &str| {
        let status = if healthy { "True" } else { "False" };
        let mut condition = json!({"type": "Healthy", "status": status, "message": word});
        if !healthy {
            condition["error"] = json!(word);
        }
        json!({"metadata": {"name": name}, "conditions": [condition]})
    };
    let ready = app.api.backend().ready();
    let database = part("database", ready, if ready { "ok" } else { "the database does not answer" });
    let mut parts = vec![part("controller-manager", true, "ok"), database, part("scheduler", true, "ok")];
    if name.is_empty() {
        let list = json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": parts});
        return Ok(answer::value(request, &list));
    }
    parts.retain(|p| p["metadata"]["name"] == name);
    let mut one: Value = parts.pop().ok_or_else(|| ApiError::not_found("componentstatuses", "", name))?;
    one["kind"] = json!("ComponentStatus");
    one["apiVersion"] = json!("v1");
    Ok(answer::value(request, &one))
}
