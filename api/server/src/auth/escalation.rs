//! Nobody gives away what he does not have: the check of every written role and binding.
//!
//! Those pass who may `escalate` the role or `bind` it, as in Kubernetes.

use super::authorize::Attributes;
use crate::{
    user::{MASTERS, User},
    verbs::Api,
};
use podium_kinds::Kind;
use podium_machinery::rbac::{Role, RoleKey, Rule, compact, missing};
use podium_types::{ApiError, meta};
use serde_json::Value;

const GROUP: &str = "rbac.authorization.k8s.io";

/// 403 where the role or binding `new` gives more than the user has; other kinds pass.
pub(crate) fn check(api: &Api, user: &User, kind: &Kind, new: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    if kind.group != GROUP || user.is_in(MASTERS) {
        return Ok(());
    }
    let same = |fields: &[&str]| old.is_some_and(|old| fields.iter().all(|field| old[field] == new[field]));
    match kind.plural {
        "roles" | "clusterroles" if same(&["rules", "aggregationRule"]) => Ok(()),
        "roles" | "clusterroles" => role(api, user, kind, new),
        _ if same(&["roleRef", "subjects"]) => Ok(()),
        _ => binding(api, user, kind, new),
    }
}

fn role(api: &Api, user: &User, kind: &Kind, new: &Value) -> Result<(), ApiError> {
    let (namespace, name) = (meta::namespace(new), meta::name(new));
    let wish =
        Attributes { verb: "escalate", group: GROUP, resource: kind.plural, namespace, name, ..Attributes::default() };
    if api.decide(user, &wish).is_ok() {
        return Ok(());
    }
    let owned = api.rules_of(user, namespace);
    if !new["aggregationRule"].is_null() && !missing(owned.iter(), Rule::everything().iter()).is_empty() {
        let why = "must have cluster-admin privileges to use an aggregationRule";
        return Err(ApiError::forbidden(kind.plural, GROUP, name, why));
    }
    covered(user, kind, name, &owned, &Rule::parse_all(new))
}

fn binding(api: &Api, user: &User, kind: &Kind, new: &Value) -> Result<(), ApiError> {
    let namespace = meta::namespace(new);
    let reference = &new["roleRef"];
    let name = reference["name"].as_str().unwrap_or_default();
    let (resource, at) = if reference["kind"] == "Role" { ("roles", namespace) } else { ("clusterroles", "") };
    let wish = Attributes { verb: "bind", group: GROUP, resource, namespace, name, ..Attributes::default() };
    if api.decide(user, &wish).is_ok() {
        return Ok(());
    }
    let policy = api.rbac().current(&**api.backend());
    let key = RoleKey { namespace: at.to_owned(), name: name.to_owned() };
    let Some(role) = policy.role(&key) else { return Err(ApiError::not_found(resource, GROUP, name)) };
    let Role { rules, .. } = &**role;
    covered(user, kind, meta::name(new), &api.rules_of(user, namespace), rules)
}

fn covered(user: &User, kind: &Kind, name: &str, owned: &[Rule], wanted: &[Rule]) -> Result<(), ApiError> {
    let lacking = compact(missing(owned.iter(), wanted.iter()));
    if lacking.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
    let rules: Vec<String> = lacking.iter().map(Rule::describe).collect();
    let why = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        groups.join(" "),
        rules.join("\n")
    );
    Err(ApiError::forbidden(kind.plural, GROUP, name, &why))
}
