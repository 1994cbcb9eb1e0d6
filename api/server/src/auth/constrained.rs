//! Acting as somebody else for some deeds only (KEP-5284): one permission for whom, another for what.
//!
//! `impersonate:MODE` says as whom, `impersonate-on:MODE:VERB` says what may be done as such. Whoever lacks either
//! may still have the older `impersonate`, which is for everything.

use super::authorize::Attributes;
use crate::{
    user::{NODES, User},
    verbs::Api,
};

/// The group of those whom one can act as.
const AUTHENTICATION: &str = "authentication.k8s.io";
/// What users of nodes begin with.
const NODE: &str = "system:node:";
/// Where a pod's token says on which node it is.
const PLACE: &str = "authentication.kubernetes.io/node-name";

/// What a request does, whether or not it is served.
pub(crate) enum Deed {
    /// Something with a resource.
    Resource {
        /// `list`
        verb: &'static str,
        /// API group.
        group: String,
        /// `pods`
        resource: String,
        /// `log`, or empty.
        subresource: String,
        /// Namespace, or empty.
        namespace: String,
        /// Name, or empty.
        name: String,
    },
    /// Something with any other path.
    Path {
        /// `get`
        verb: &'static str,
        /// `/metrics`
        path: String,
    },
}

/// Whether `user` may do this as `wanted`, which gets the groups that its mode brings.
pub(crate) fn permitted(api: &Api, user: &User, wanted: &mut User, deed: &Deed) -> bool {
    let alone = wanted.groups.is_empty() && wanted.uid.is_empty() && wanted.extra.is_empty();
    let may = |mode: &str, wish: Attributes<'_>| {
        let verb = format!("impersonate:{mode}");
        api.decide(user, &Attributes { verb: &verb, group: AUTHENTICATION, ..wish }).is_ok()
    };
    if let Some(name) = wanted.name.strip_prefix(NODE) {
        let wish = |name| Attributes { resource: "nodes", name, ..Attributes::default() };
        let beside = user.extra.get(PLACE).is_some_and(|places| places.iter().eq([name]));
        let here = || may("associated-node", wish("*")) && does(api, user, "associated-node", deed);
        let anywhere = || may("arbitrary-node", wish(name)) && does(api, user, "arbitrary-node", deed);
        let granted = alone && (beside && here() || anywhere());
        if granted {
            wanted.groups.push(NODES.to_owned());
        }
        return granted;
    }
    if let Some((namespace, name)) = super::impersonate::account(&wanted.name) {
        let wish = Attributes { resource: "serviceaccounts", namespace, name, ..Attributes::default() };
        return alone && may("serviceaccount", wish) && does(api, user, "serviceaccount", deed);
    }
    let part = |resource, name| may("user-info", Attributes { resource, name, ..Attributes::default() });
    let extra = |subresource: &str, name: &str| {
        may("user-info", Attributes { resource: "userextras", subresource, name, ..Attributes::default() })
    };
    part("users", &wanted.name)
        && wanted.groups.iter().all(|group| part("groups", group))
        && (wanted.uid.is_empty() || part("uids", &wanted.uid))
        && wanted.extra.iter().all(|(key, values)| values.iter().all(|value| extra(key, value)))
        && does(api, user, "user-info", deed)
}

/// Whether `user` may do this as somebody of that mode.
fn does(api: &Api, user: &User, mode: &str, deed: &Deed) -> bool {
    let on = |verb: &str| format!("impersonate-on:{mode}:{verb}");
    match deed {
        Deed::Path { verb, path } => api.decide_path(user, &on(verb), path).is_some(),
        Deed::Resource { verb, group, resource, subresource, namespace, name } => {
            let verb = on(verb);
            let wish = Attributes { verb: &verb, group, resource, subresource, namespace, name, node: "" };
            api.decide(user, &wish).is_ok()
        }
    }
}
