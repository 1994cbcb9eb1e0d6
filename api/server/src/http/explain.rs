//! `GET …/pods/NAME/explain`: why a pod waits. A subresource of Podium's own, which Kubernetes' discovery does not name.

use super::{answer, app::App};
use crate::{auth::authorize::Attributes, user::User};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
};
use podium_types::{ApiError, Key};
use serde_json::{Value, json};

/// The subresource, for rules of roles: `pods/explain`.
const NAME: &str = "explain";
/// Version of the answer.
const API_VERSION: &str = "scheduling.podium.dev/v1alpha1";
/// Seconds after which a client should ask again where the scheduler has no picture yet.
const RETRY_AFTER: u32 = 1;

/// The pod that a path wants explained.
pub(crate) fn find(segments: &[String]) -> Option<Key> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["api", "v1", "namespaces", namespace, "pods", name, NAME] => Some(Key::new(*namespace, *name)),
        _ => None,
    }
}

/// Answers.
pub(crate) async fn answer(request: &HttpRequest, key: Key, user: &User, app: &App) -> Result<HttpResponse, ApiError> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(ApiError::method_not_allowed());
    }
    app.api.authorize(
        user,
        &Attributes {
            verb: "get",
            resource: "pods",
            subresource: NAME,
            namespace: &key.namespace,
            name: &key.name,
            ..Attributes::default()
        },
    )?;
    let _place = app.limits.enter(user, false)?;
    let kind = podium_kinds::by_resource("pods").ok_or_else(ApiError::no_such_path)?;
    let pod = app.api.get(kind, &key).await?;
    let insight = app.insight.as_ref();
    let missing = || ApiError::unavailable("the scheduler has not seen the pod yet", RETRY_AFTER);
    let told = match insight {
        Some(insight) => insight.explain(key.clone(), pod.revision).await,
        None => None,
    };
    let mut body: Value = told.ok_or_else(missing)?;
    body["apiVersion"] = json!(API_VERSION);
    body["kind"] = json!("Explanation");
    body["metadata"] = json!({"name": key.name, "namespace": key.namespace, "uid": pod.uid,
        "resourceVersion": pod.revision.to_string()});
    Ok(answer::json(request, StatusCode::OK, body.to_string().into(), &[]))
}
