//! Who asks.

use std::collections::BTreeMap;

/// The group whose members may do everything.
pub const MASTERS: &str = "system:masters";
/// The group of node agents.
pub const NODES: &str = "system:nodes";
/// The group of everybody who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of all service accounts; with `:NAMESPACE` behind it, that of a namespace's.
pub const ACCOUNTS: &str = "system:serviceaccounts";
/// The user who showed nothing.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of everybody else.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

/// An identity, as authentication found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `kubernetes-admin`, `system:node:a`, `system:serviceaccount:ns:name`
    pub name: String,
    /// Identity that outlives a name; empty where there is none.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Further facts, such as the pod that a token is bound to.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A part of the control plane (`system:serviceaccount:kube-system:deployment-controller`); it may do everything.
    pub fn system(name: impl Into<String>) -> Self {
        Self { name: name.into(), groups: vec![MASTERS.into(), AUTHENTICATED.into()], ..Self::default() }
    }
    /// Somebody who showed nothing.
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.into(), groups: vec![UNAUTHENTICATED.into()], ..Self::default() }
    }
    /// Whether the user is in `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}
