//! One file per kind: names, scope, strategy, columns; and the [`KINDS`] table.
//!
//! Adding a kind is one file and one line in [`KINDS`]: routes, discovery, OpenAPI,
//! table columns, the KindActor and the generic tests all iterate the table.
//! Deliberately absent: I/O, the clock, and any knowledge of HTTP.

pub mod docs;
pub mod face;
pub mod kind;
pub mod names;
pub mod pod;
pub mod strategy;

mod actor;
mod apps;
mod autoscaler;
mod batch;
mod cells;
mod configmap;
mod endpoints;
mod endpointslice;
mod event;
mod json;
mod lease;
mod namespace;
mod node;
mod persistentvolumeclaim;
mod poddisruptionbudget;
mod priorityclass;
mod rbac;
mod resources;
mod rules;
mod secret;
mod service;
mod serviceaccount;
mod storagewords;
#[cfg(test)]
mod testing;

pub use face::Face;
pub use kind::{Column, Kind, Row, Subresource};
pub use strategy::{Context, NoStrategy, Strategy};

/// Every kind that Podium serves, in discovery order within its group.
pub static KINDS: &[&Kind] = &[
    &configmap::KIND,
    &endpoints::KIND,
    &event::KIND,
    &namespace::KIND,
    &node::KIND,
    &persistentvolumeclaim::KIND,
    &pod::KIND,
    &secret::KIND,
    &serviceaccount::KIND,
    &service::KIND,
    &apps::controllerrevision::KIND,
    &apps::daemonset::KIND,
    &apps::deployment::KIND,
    &apps::replicaset::KIND,
    &apps::statefulset::KIND,
    &autoscaler::KIND,
    &batch::cronjob::KIND,
    &batch::job::KIND,
    &poddisruptionbudget::KIND,
    &rbac::clusterrolebinding::KIND,
    &rbac::clusterrole::KIND,
    &rbac::rolebinding::KIND,
    &rbac::role::KIND,
    &priorityclass::KIND,
    &lease::KIND,
    &endpointslice::KIND,
    &actor::KIND,
];

/// Groups and versions beside those in which objects are stored.
pub static FACES: &[&Face] = &[&autoscaler::V1, &batch::cronjob::BETA];

/// The kind stored under `resource` (`pods`, `deployments.apps`).
pub fn by_resource(resource: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|k| k.resource == resource)
}

/// The kind served at `plural` in a group and version.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    let stored =
        KINDS.iter().copied().find(|k| k.group == group && k.plural == plural && k.versions.contains(&version));
    stored.or_else(|| face(group, version, plural).map(|f| f.kind))
}

/// The face served at `plural` in a group and version that is not the stored one.
pub fn face(group: &str, version: &str, plural: &str) -> Option<&'static Face> {
    FACES.iter().copied().find(|f| f.group == group && f.version == version && f.kind.plural == plural)
}

/// The kind with this `apiVersion` and `kind`.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let stored = KINDS.iter().copied().find(|k| k.group == group && k.kind == kind && k.versions.contains(&version));
    let face = || FACES.iter().find(|f| f.group == group && f.version == version && f.kind.kind == kind);
    stored.or_else(|| face().map(|f| f.kind))
}
