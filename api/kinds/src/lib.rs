//! One file per kind: names, scope, strategy, columns; and the [`KINDS`] table.
//!
//! Adding a kind is one file and one line in [`KINDS`]: routes, discovery, OpenAPI,
//! table columns, the KindActor and the generic tests all iterate the table.
//! Deliberately absent: I/O, the clock, and any knowledge of HTTP.

pub mod docs;
pub mod kind;
pub mod names;
pub mod pod;
pub mod strategy;

mod actor;
mod cells;
mod configmap;
mod deployment;
mod endpoints;
mod endpointslice;
mod event;
mod json;
mod lease;
mod namespace;
mod node;
mod replicaset;
mod resources;
mod rules;
mod secret;
mod service;
mod serviceaccount;
mod workload;

pub use kind::{Column, Kind, Row, Subresource};
pub use strategy::{Context, NoStrategy, Strategy};

/// Every kind that Podium serves, in discovery order within its group.
pub static KINDS: &[&Kind] = &[
    &configmap::KIND,
    &endpoints::KIND,
    &event::KIND,
    &namespace::KIND,
    &node::KIND,
    &pod::KIND,
    &secret::KIND,
    &serviceaccount::KIND,
    &service::KIND,
    &deployment::KIND,
    &replicaset::KIND,
    &lease::KIND,
    &endpointslice::KIND,
    &actor::KIND,
];

/// The kind stored under `resource` (`pods`, `deployments.apps`).
pub fn by_resource(resource: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|k| k.resource == resource)
}

/// The kind served at `plural` in a group and version.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|k| k.group == group && k.plural == plural && k.versions.contains(&version))
}

/// The kind with this `apiVersion` and `kind`.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    KINDS.iter().copied().find(|k| k.group == group && k.kind == kind && k.versions.contains(&version))
}
