//! All roles and bindings of a cluster, arranged so that a decision looks only at the asker's own.

use super::rule::{Ask, Rule};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// User name.
    pub user: &'a str,
    /// Groups.
    pub groups: &'a [String],
}

/// Whom a binding names. A service account is a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// A user's name.
    User(String),
    /// A group's name.
    Group(String),
}

/// Where a role is; the namespace of a ClusterRole is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleKey {
    /// Namespace of a Role.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A Role or ClusterRole as decisions need it.
#[derive(Clone, Debug)]
pub struct Role {
    /// Where it is.
    pub key: RoleKey,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A RoleBinding or ClusterRoleBinding as decisions need it.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Namespace, empty for a ClusterRoleBinding.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The role that it grants.
    pub role: RoleKey,
    /// To whom.
    pub members: Vec<Member>,
}

impl Role {
    /// From a Role, or from a ClusterRole where `namespace` is empty.
    pub fn parse(namespace: &str, name: &str, object: &Value) -> Self {
        let key = RoleKey { namespace: namespace.to_owned(), name: name.to_owned() };
        Self { key, rules: Rule::parse_all(object) }
    }
}

impl Binding {
    /// From a RoleBinding, or from a ClusterRoleBinding where `namespace` is empty.
    pub fn parse(namespace: &str, name: &str, object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let role = &object["roleRef"];
        let at = if role["kind"] == "Role" { namespace } else { "" };
        let members = object["subjects"].as_array().into_iter().flatten().filter_map(|subject| {
            let name = text(&subject["name"]);
            match subject["kind"].as_str()? {
                "User" => Some(Member::User(name)),
                "Group" => Some(Member::Group(name)),
                "ServiceAccount" => {
                    let of = subject["namespace"].as_str().filter(|of| !of.is_empty()).unwrap_or(namespace);
                    Some(Member::User(format!("system:serviceaccount:{of}:{name}")))
                }
                _ => None,
            }
        });
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            role: RoleKey { namespace: at.to_owned(), name: text(&role["name"]) },
            members: members.collect(),
        }
    }
}

/// Why something is allowed.
#[derive(Clone, Debug)]
pub struct Grant {
    /// By this binding.
    pub binding: Arc<Binding>,
    /// To this one of its members.
    pub member: Member,
}

impl Grant {
    /// In Kubernetes' words.
    pub fn describe(&self) -> String {
        let Binding { namespace, name, role, .. } = &*self.binding;
        let role_kind = if role.namespace.is_empty() { "ClusterRole" } else { "Role" };
        let (binding_kind, place) = if namespace.is_empty() {
            ("ClusterRoleBinding", name.clone())
        } else {
            ("RoleBinding", format!("{name}/{namespace}"))
        };
        let to = match &self.member {
            Member::User(user) => match user.strip_prefix("system:serviceaccount:").and_then(|a| a.split_once(':')) {
                Some((namespace, account)) => format!("ServiceAccount {:?}", format!("{account}/{namespace}")),
                None => format!("User {user:?}"),
            },
            Member::Group(group) => format!("Group {group:?}"),
        };
        format!("RBAC: allowed by {binding_kind} {place:?} of {role_kind} {:?} to {to}", role.name)
    }
}

/// All roles and bindings.
#[derive(Debug, Default)]
pub struct Policy {
    roles: BTreeMap<RoleKey, Arc<Role>>,
    /// By member, then by namespace of the binding.
    bindings: BTreeMap<Member, BTreeMap<String, Vec<Arc<Binding>>>>,
}

impl Policy {
    /// Of these roles and bindings.
    pub fn new(roles: impl Iterator<Item = Arc<Role>>, bindings: impl Iterator<Item = Arc<Binding>>) -> Self {
        let mut policy = Self { roles: roles.map(|role| (role.key.clone(), role)).collect(), ..Self::default() };
        for binding in bindings {
            for member in &binding.members {
                let places = policy.bindings.entry(member.clone()).or_default();
                places.entry(binding.namespace.clone()).or_default().push(Arc::clone(&binding));
            }
        }
        policy
    }
    /// The role of that key.
    pub fn role(&self, key: &RoleKey) -> Option<&Arc<Role>> {
        self.roles.get(key)
    }
    /// Why the subject may do it in `namespace` (empty: at the cluster scope); `None` where it may not.
    pub fn decide(&self, subject: &Subject<'_>, namespace: &str, ask: &Ask<'_>) -> Option<Grant> {
        let allowed = |role: &&Arc<Role>| role.rules.iter().any(|rule| rule.allows(ask));
        self.granted(subject, namespace)
            .find(|(_, binding)| self.roles.get(&binding.role).as_ref().is_some_and(allowed))
            .map(|(member, binding)| Grant { binding: Arc::clone(binding), member: member.clone() })
    }
    /// Every rule that the subject has in `namespace` (empty: at the cluster scope).
    pub fn rules(&self, subject: &Subject<'_>, namespace: &str) -> Vec<&Rule> {
        let roles = self.granted(subject, namespace).filter_map(|(_, binding)| self.roles.get(&binding.role));
        roles.flat_map(|role| &role.rules).collect()
    }

    /// The bindings that name the subject: of the cluster, then of the namespace.
    fn granted<'a>(
        &'a self,
        subject: &Subject<'_>,
        namespace: &str,
    ) -> impl Iterator<Item = (&'a Member, &'a Arc<Binding>)> {
        let groups = subject.groups.iter().map(|group| Member::Group(group.clone()));
        let members = std::iter::once(Member::User(subject.user.to_owned())).chain(groups);
        let own: Vec<_> = members.filter_map(|member| self.bindings.get_key_value(&member)).collect();
        let places: Vec<&str> = if namespace.is_empty() { vec![""] } else { vec!["", namespace] };
        let mut found = Vec::new();
        for place in places {
            for (member, bindings) in &own {
                found.extend(bindings.get(place).into_iter().flatten().map(|binding| (*member, binding)));
            }
        }
        found.into_iter()
    }
}
