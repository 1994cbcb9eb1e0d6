//! What a write must pass, beside the rules of its kind: admission looks at other objects.
//!
//! In Kubernetes' order: first what fills in ([`fill_in`]), then what holds or notes something ([`on_create`],
//! [`on_update`]), after validation what only judges ([`judge`]), and last the quota ([`charge`]).

mod allocation;
mod certificates;
mod claim;
mod defaultclass;
mod limits;
mod namespace;
mod newnode;
mod podsecurity;
mod priority;
mod quota;
mod runtimeclass;
mod service;
mod serviceaccount;

pub(crate) use allocation::{Allocator, Reserved};
pub(crate) use certificates::decide as decide_certificate;
pub(crate) use quota::{Charged, Turns, changes_use, charge};

use crate::{user::User, verbs::Api};
use podium_kinds::Kind;
use podium_machinery::state::Object;
use podium_types::{ApiError, Key};
use serde_json::Value;
use std::sync::Arc;

/// Completes a new object with what the cluster has for it.
pub(crate) async fn fill_in(api: &Api, kind: &'static Kind, object: &mut Value) -> Result<(), ApiError> {
    namespace::check(api, kind, object).await?;
    match kind.resource {
        "pods" => {
            limits::fill_in(api, object);
            serviceaccount::admit(api, object)?;
            priority::admit(api, object)?;
            runtimeclass::admit(api, object)
        }
        "nodes" => newnode::taint(object),
        "persistentvolumeclaims" => defaultclass::of_claim(api, object),
        "ingresses.networking.k8s.io" => defaultclass::of_ingress(api, object),
        _ => Ok(()),
    }
}

/// Holds what a new object needs; the reservation must live until it is committed.
pub(crate) fn on_create(api: &Api, user: &User, kind: &'static Kind, object: &mut Value) -> Result<Reserved, ApiError> {
    match kind.resource {
        "services" => service::allocate(api, object, None),
        certificates::RESOURCE => certificates::admit(user, kind, object).map(|()| Reserved::default()),
        _ => Ok(Reserved::default()),
    }
}

/// Admits a changed object.
pub(crate) fn on_update(api: &Api, kind: &'static Kind, new: &mut Value, old: &Value) -> Result<Reserved, ApiError> {
    match kind.resource {
        "services" => service::allocate(api, new, Some(old)),
        "pods" => {
            priority::carry(new, old);
            Ok(Reserved::default())
        }
        _ => Ok(Reserved::default()),
    }
}

/// Judges an object that is new, or changed from `old`; what is only to be said goes to `warnings`.
pub(crate) fn judge(
    api: &Api,
    kind: &'static Kind,
    subresource: &str,
    new: &Value,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    match (kind.resource, subresource) {
        ("pods", "" | "resize" | "ephemeralcontainers") => {
            if old.is_none() || subresource == "resize" {
                limits::check(api, kind, new)?;
            }
            podsecurity::pod(api, new, old, warnings)
        }
        ("persistentvolumeclaims", "") => {
            limits::check(api, kind, new)?;
            old.map_or(Ok(()), |old| claim::grows(api, new, old))
        }
        (priority::RESOURCE, "") => priority::only_default(api, new),
        ("namespaces", "") => podsecurity::namespace(api, new, old, warnings),
        (resource, "") => {
            podsecurity::template(api, resource, new, warnings);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Admits a deletion.
pub(crate) fn on_delete(kind: &Kind, name: &str) -> Result<(), ApiError> {
    if kind.resource == "namespaces" { namespace::check_delete(name) } else { Ok(()) }
}

/// The object of a kind, as memory has it.
fn find(api: &Api, resource: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
    podium_kinds::by_resource(resource).and_then(|kind| api.peek(kind, &Key::new(namespace, name)))
}

/// Those objects of a kind, in a namespace or in none, whose text has `word`; so that few are parsed.
fn with_word(api: &Api, resource: &str, namespace: Option<&str>, word: &str) -> Vec<Value> {
    let Some(kind) = podium_kinds::by_resource(resource) else { return Vec::new() };
    let snapshot = api.backend().snapshot(kind);
    let all = snapshot.list(namespace, None);
    all.filter(|object| memchr::memmem::find(&object.json, word.as_bytes()).is_some()).map(|o| o.value()).collect()
}

/// `[a, b]` of several reasons, or the only one, each once.
fn together(mut reasons: Vec<String>) -> String {
    let mut seen = std::collections::BTreeSet::new();
    reasons.retain(|reason| seen.insert(reason.clone()));
    match reasons.as_slice() {
        [one] => one.clone(),
        _ => format!("[{}]", reasons.join(", ")),
    }
}

#[cfg(test)]
mod tests;
