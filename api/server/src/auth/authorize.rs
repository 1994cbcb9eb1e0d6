//! Who may do what: administrators everything, nodes what belongs to them, everybody what roles grant.

use super::node;
use crate::{
    user::{MASTERS, User},
    verbs::Api,
};
use podium_machinery::rbac::{Ask, Grant, Rule, Subject};
use podium_types::ApiError;

/// What somebody wants to do with a resource.
#[derive(Clone, Copy, Debug, Default)]
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
    /// The node whose pods alone are selected, or empty.
    pub(crate) node: &'a str,
}

impl<'a> Attributes<'a> {
    fn ask(&self) -> Ask<'a> {
        let Self { verb, group, resource, subresource, name, .. } = *self;
        Ask::Resource { verb, group, resource, subresource, name }
    }
    /// `pods/log`
    fn whole_resource(&self) -> String {
        match self.subresource {
            "" => self.resource.to_owned(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }
}

/// Why somebody may do something.
pub(crate) enum Why {
    /// He is an administrator or a part of the control plane.
    Master,
    /// It belongs to the node.
    Node,
    /// A role says so.
    Role(Grant),
}

impl Why {
    /// For reviews; empty where there is nothing to say.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Master | Self::Node => String::new(),
            Self::Role(grant) => grant.describe(),
        }
    }
}

fn subject(user: &User) -> Subject<'_> {
    Subject { user: &user.name, groups: &user.groups }
}

impl Api {
    /// Why the user may do it; where not, what there is to say about that.
    pub(crate) fn decide(&self, user: &User, wish: &Attributes<'_>) -> Result<Why, String> {
        if user.is_in(MASTERS) {
            return Ok(Why::Master);
        }
        let mut reason = String::new();
        if let Some(node) = node::name(user) {
            match node::decide(self, node, wish) {
                Ok(()) => return Ok(Why::Node),
                Err(why) => reason = why,
            }
        }
        let policy = self.rbac().current(&**self.backend());
        policy.decide(&subject(user), wish.namespace, &wish.ask()).map(Why::Role).ok_or(reason)
    }

    /// The same for a path that is no resource.
    pub(crate) fn decide_path(&self, user: &User, verb: &str, path: &str) -> Option<Why> {
        if user.is_in(MASTERS) {
            return Some(Why::Master);
        }
        let policy = self.rbac().current(&**self.backend());
        policy.decide(&subject(user), "", &Ask::Path { verb, path }).map(Why::Role)
    }

    /// 403 in Kubernetes' words, where the user may not.
    pub(crate) fn authorize(&self, user: &User, wish: &Attributes<'_>) -> Result<(), ApiError> {
        let Err(reason) = self.decide(user, wish) else { return Ok(()) };
        let place = match wish.namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let because = if reason.is_empty() { reason } else { format!(": {reason}") };
        let why = format!(
            "User {:?} cannot {} resource {:?} in API group {:?} {place}{because}",
            user.name,
            wish.verb,
            wish.whole_resource(),
            wish.group
        );
        Err(ApiError::forbidden(wish.resource, wish.group, wish.name, &why))
    }

    /// The same for a path that is no resource.
    pub(crate) fn authorize_path(&self, user: &User, verb: &str, path: &str) -> Result<(), ApiError> {
        if self.decide_path(user, verb, path).is_some() {
            return Ok(());
        }
        let why = format!("forbidden: User {:?} cannot {verb} path {path:?}", user.name);
        Err(ApiError::new(403, "Forbidden", why))
    }

    /// Every rule that the user has in `namespace`, besides what belongs to a node.
    pub(crate) fn rules_of(&self, user: &User, namespace: &str) -> Vec<Rule> {
        if user.is_in(MASTERS) {
            return Rule::everything().into();
        }
        let policy = self.rbac().current(&**self.backend());
        policy.rules(&subject(user), namespace).into_iter().cloned().collect()
    }
}
