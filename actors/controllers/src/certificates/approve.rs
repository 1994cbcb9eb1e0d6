//! Approves what nodes ask for as clients of the API, where roles allow it.

use super::request::{RESOURCE, Wish};
use crate::{Controller, Ids, Plan, View, resource};
use podium_machinery::{
    certificates::{Request, Signer},
    rbac::{Ask, Binding, Policy, Role, Subject},
    state::Event,
};
use podium_types::{Key, Timestamp};
use std::sync::Arc;

/// The group that may do everything.
const MASTERS: &str = "system:masters";

/// The approver of kubelets' client certificates.
pub struct ApprovingController;

impl Controller for ApprovingController {
    fn name(&self) -> &'static str {
        "csrapproving"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[RESOURCE, resource::CLUSTER_ROLES, resource::CLUSTER_ROLE_BINDINGS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        // Another role may allow what waits.
        if resource == RESOURCE { vec![event.object.key.clone()] } else { self.all_keys(view) }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        Wish::keys(view)
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(wish) = Wish::find(view, key) else { return Plan::default() };
        let open = wish.certificate().is_none() && wish.conditions().is_empty();
        let signer = Signer::named(wish.text("signerName"));
        if !open || signer != Some(Signer::KubeletClient) {
            return Plan::default();
        }
        let Ok(request) = Request::parse(&wish.request()) else { return Plan::default() };
        if Signer::KubeletClient.check(&request, &wish.list("usages")).is_err() {
            return Plan::default();
        }
        let own = (wish.text("username") == request.common_name).then_some(("selfnodeclient", "self kubelet"));
        for (permission, what) in own.into_iter().chain([("nodeclient", "kubelet")]) {
            if allowed(view, &wish, permission) {
                let message = format!("Auto approving {what} client certificate after SubjectAccessReview.");
                let write = wish.add("approval", "Approved", "AutoApproved", &message, now);
                return Plan { writes: vec![write], note: message, ..Plan::default() };
            }
        }
        Plan { note: "no role allows its approval".to_owned(), ..Plan::default() }
    }
}

/// Whether the asker may create `certificatesigningrequests/<permission>`.
fn allowed(view: &View, wish: &Wish, permission: &str) -> bool {
    let groups: Vec<String> = wish.list("groups").into_iter().map(str::to_owned).collect();
    let roles = view.of_kind(resource::CLUSTER_ROLES);
    let roles = roles.map(|role| Arc::new(Role::parse("", &role.key().name, &role.object.value())));
    let bindings = view.of_kind(resource::CLUSTER_ROLE_BINDINGS);
    let bindings = bindings.map(|binding| Arc::new(Binding::parse("", &binding.key().name, &binding.object.value())));
    let policy = Policy::new(roles, bindings);
    let ask = Ask::Resource {
        verb: "create",
        group: "certificates.k8s.io",
        resource: "certificatesigningrequests",
        subresource: permission,
        name: "",
    };
    let subject = Subject { user: wish.text("username"), groups: &groups };
    groups.iter().any(|group| group == MASTERS) || policy.decide(&subject, "", &ask).is_some()
}
