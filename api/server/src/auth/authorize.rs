//! Who may do what, until RBAC decides.

use crate::user::{MASTERS, NODES, User};
use podium_types::ApiError;

/// What somebody wants to do with a resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes<'a> {
    /// `list`
    pub(crate) verb: &'a str,
    /// API group.
    pub(crate) group: &'a str,
    /// `pods`
    pub(crate) resource: &'a str,
    /// `log`, or empty.
    pub(crate) subresource: &'a str,
    /// Namespace, or empty.
    pub(crate) namespace: &'a str,
    /// Name, or empty.
    pub(crate) name: &'a str,
}

/// Administrators, the control plane and nodes may do everything; others nothing with resources.
pub(crate) fn allowed(user: &User) -> bool {
    user.is_in(MASTERS) || user.is_in(NODES)
}

/// 403 in Kubernetes' words, where the user may not.
pub(crate) fn authorize(user: &User, wish: &Attributes<'_>) -> Result<(), ApiError> {
    if allowed(user) {
        return Ok(());
    }
    let resource = if wish.subresource.is_empty() {
        wish.resource.to_owned()
    } else {
        format!("{}/{}", wish.resource, wish.subresource)
    };
    let place = if wish.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", wish.namespace)
    };
    let why = format!(
        "User {:?} cannot {} resource {resource:?} in API group {:?} {place}",
        user.name, wish.verb, wish.group
    );
    Err(ApiError::forbidden(wish.resource, wish.group, wish.name, &why))
}
