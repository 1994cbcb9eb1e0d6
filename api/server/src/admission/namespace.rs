//! NamespaceLifecycle: new objects need a namespace that exists and is not going away.

use crate::verbs::Api;
use podium_kinds::Kind;
use podium_types::{ApiError, Key, meta};
use serde_json::{Value, json};

/// Namespaces that cannot be deleted.
const IMMORTAL: &[&str] = &["default", "kube-public", "kube-system"];

pub(super) async fn check(api: &Api, kind: &Kind, object: &Value) -> Result<(), ApiError> {
    if !kind.namespaced {
        return Ok(());
    }
    let Some(namespaces) = podium_kinds::by_resource("namespaces") else { return Ok(()) };
    let name = meta::namespace(object);
    let namespace = api.get(namespaces, &Key::new("", name)).await?;
    if !meta::is_deleting(&namespace.value()) {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {name} because it is being terminated");
    let mut error = ApiError::forbidden(kind.plural, kind.group, meta::name(object), &why);
    if let Some(details) = &mut error.details {
        details["causes"] = json!([{"reason": "NamespaceTerminating",
            "message": format!("namespace {name} is being terminated"), "field": "metadata.namespace"}]);
    }
    Err(error)
}

pub(super) fn check_delete(name: &str) -> Result<(), ApiError> {
    if IMMORTAL.contains(&name) {
        return Err(ApiError::forbidden("namespaces", "", name, "this namespace may not be deleted"));
    }
    Ok(())
}
