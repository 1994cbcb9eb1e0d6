//! The group `rbac.authorization.k8s.io`: who may do what.

mod binding;
pub(crate) mod clusterrole;
pub(crate) mod clusterrolebinding;
pub(crate) mod role;
pub(crate) mod rolebinding;
mod rule;

/// The group's name, which subjects and role references carry.
const GROUP: &str = "rbac.authorization.k8s.io";
