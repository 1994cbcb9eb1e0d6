//! One file per kind: names, scope, strategy, columns; and the [`KINDS`] table.
//!
//! Adding a kind is one file and one line in [`KINDS`]: routes, discovery, OpenAPI,
//! table columns, the KindActor and the generic tests all iterate the table.
//! Deliberately absent: I/O, the clock, and any knowledge of HTTP.

pub mod componentstatus;
pub mod docs;
pub mod face;
pub mod kind;
pub mod metrics;
pub mod names;
pub mod pod;
pub mod scale;
pub mod strategy;

mod actor;
mod admission;
mod apiservice;
mod apps;
mod autoscaler;
mod batch;
mod cells;
mod certificatesigningrequest;
mod configmap;
mod customresourcedefinition;
mod diff;
mod dra;
mod endpoints;
mod endpointslice;
mod event;
mod flowcontrol;
mod json;
mod lease;
mod limitrange;
mod namespace;
mod networking;
mod node;
mod persistentvolume;
mod persistentvolumeclaim;
mod poddisruptionbudget;
mod podtemplate;
mod priorityclass;
mod rbac;
mod replicationcontroller;
mod resourcequota;
mod resources;
mod rules;
mod runtimeclass;
mod secret;
mod service;
mod serviceaccount;
mod storage;
mod storagewords;
#[cfg(test)]
mod testing;

pub use face::Face;
pub use kind::{Column, Kind, Row, Subresource};
pub use priorityclass::system_priority;
pub use strategy::{Context, NoStrategy, Strategy};

/// Every kind that Podium serves, in discovery order within its group.
pub static KINDS: &[&Kind] = &[
    &configmap::KIND,
    &endpoints::KIND,
    &event::KIND,
    &limitrange::KIND,
    &namespace::KIND,
    &node::KIND,
    &persistentvolumeclaim::KIND,
    &persistentvolume::KIND,
    &pod::KIND,
    &podtemplate::KIND,
    &replicationcontroller::KIND,
    &resourcequota::KIND,
    &secret::KIND,
    &serviceaccount::KIND,
    &service::KIND,
    &apiservice::KIND,
    &apps::controllerrevision::KIND,
    &apps::daemonset::KIND,
    &apps::deployment::KIND,
    &apps::replicaset::KIND,
    &apps::statefulset::KIND,
    &autoscaler::KIND,
    &batch::cronjob::KIND,
    &batch::job::KIND,
    &certificatesigningrequest::KIND,
    &networking::ingressclass::KIND,
    &networking::ingress::KIND,
    &networking::ipaddress::KIND,
    &networking::networkpolicy::KIND,
    &networking::servicecidr::KIND,
    &poddisruptionbudget::KIND,
    &rbac::clusterrolebinding::KIND,
    &rbac::clusterrole::KIND,
    &rbac::rolebinding::KIND,
    &rbac::role::KIND,
    &storage::csidriver::KIND,
    &storage::csinode::KIND,
    &storage::csistoragecapacity::KIND,
    &storage::storageclass::KIND,
    &storage::volumeattachment::KIND,
    &storage::volumeattributesclass::KIND,
    &admission::mutatingpolicy::KIND,
    &admission::mutatingpolicybinding::KIND,
    &admission::mutatingwebhook::KIND,
    &admission::validatingpolicy::KIND,
    &admission::validatingpolicybinding::KIND,
    &admission::validatingwebhook::KIND,
    &customresourcedefinition::KIND,
    &priorityclass::KIND,
    &lease::KIND,
    &runtimeclass::KIND,
    &endpointslice::KIND,
    &flowcontrol::flowschema::KIND,
    &flowcontrol::prioritylevel::KIND,
    &dra::deviceclass::KIND,
    &dra::resourceclaim::KIND,
    &dra::resourceclaimtemplate::KIND,
    &dra::resourceslice::KIND,
    &metrics::NODES,
    &metrics::PODS,
    &actor::KIND,
];

/// Groups and versions beside those in which objects are stored.
pub static FACES: &[&Face] = &[&autoscaler::V1, &batch::cronjob::BETA, &event::MODERN];

/// The kind stored under `resource` (`pods`, `deployments.apps`).
pub fn by_resource(resource: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|k| k.resource == resource)
}

/// The kind served at `plural` in a group and version; a face where objects are stored in another form.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    let mut served = KINDS.iter().copied().chain(FACES.iter().map(|f| f.shown));
    served.find(|k| k.group == group && k.plural == plural && k.versions.contains(&version))
}

/// The kind in whose form objects of this `apiVersion` and `kind` are stored.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let is = |k: &Kind| k.group == group && k.kind == kind && k.versions.contains(&version);
    let face = || FACES.iter().find(|f| is(f.shown)).map(|f| f.stored);
    KINDS.iter().copied().find(|k| is(k)).or_else(face)
}
