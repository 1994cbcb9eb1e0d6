//! What a write must pass, in order: namespace lifecycle, service account, Service allocation, certificates.
//!
//! Admission looks at other objects, which a kind's strategy may not.

mod allocation;
mod certificates;
mod namespace;
mod service;
mod serviceaccount;

pub(crate) use allocation::{Allocator, Reserved};
pub(crate) use certificates::decide as decide_certificate;

use crate::{user::User, verbs::Api};
use podium_kinds::Kind;
use podium_types::ApiError;
use serde_json::Value;

/// Admits a new object; the reservation must live until it is committed.
pub(crate) async fn on_create(
    api: &Api,
    user: &User,
    kind: &'static Kind,
    object: &mut Value,
) -> Result<Reserved, ApiError> {
    namespace::check(api, kind, object).await?;
    match kind.resource {
        "pods" => serviceaccount::admit(api, object).map(|()| Reserved::default()),
        "services" => service::allocate(api, object, None),
        certificates::RESOURCE => certificates::admit(user, kind, object).map(|()| Reserved::default()),
        _ => Ok(Reserved::default()),
    }
}

/// Admits a changed object.
pub(crate) fn on_update(api: &Api, kind: &'static Kind, new: &mut Value, old: &Value) -> Result<Reserved, ApiError> {
    match kind.resource {
        "services" => service::allocate(api, new, Some(old)),
        _ => Ok(Reserved::default()),
    }
}

/// Admits a deletion.
pub(crate) fn on_delete(kind: &Kind, name: &str) -> Result<(), ApiError> {
    if kind.resource == "namespaces" { namespace::check_delete(name) } else { Ok(()) }
}
