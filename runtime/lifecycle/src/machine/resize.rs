//! In-place resize (KEP-1287): limits of running containers follow the spec, without a restart where the container
//! does not ask for one.

use super::{Action, PodMachine, ResizeFailure, apply::restart, container::Cont};
use crate::{backoff::later, resources::amount};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ResourceRequirements;
use podium_types::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Conditions of the node that are there only while they hold; a patch must take them away.
pub const PASSING_CONDITIONS: [&str; 2] = [PENDING, IN_PROGRESS];
const PENDING: &str = "PodResizePending";
const IN_PROGRESS: &str = "PodResizeInProgress";
/// How soon a resize that failed or found no room is tried again.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// Where the pod's resize is.
#[derive(Clone, Debug, Default)]
pub(super) struct Resize {
    /// What is being done, by name and life; None while nothing is.
    under_way: Option<BTreeMap<(String, u32), Option<ResourceRequirements>>>,
    failure: Option<ResizeFailure>,
    pub retry_at: Option<Timestamp>,
}

impl PodMachine {
    /// Begins what the spec asks for.
    pub(super) fn resize(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        let grace = self.grace();
        for c in self.containers.iter_mut().filter(|c| wants(c) && asks_for_restart(c)) {
            restart(c, grace, now, "resources changed", out);
        }
        let wanted: Vec<&Cont> = self.containers.iter().filter(|c| wants(c)).collect();
        if wanted.is_empty() {
            if self.resize.under_way.is_none() {
                self.resize = Resize::default();
            }
            return;
        }
        if self.resize.under_way.is_some() || self.resize.retry_at.is_some_and(|at| at > now) {
            return;
        }
        let all: BTreeMap<_, _> =
            wanted.iter().map(|c| ((c.name.clone(), c.attempt), c.spec.resources.clone())).collect();
        out.push(Action::Resize { containers: all.keys().cloned().collect() });
        self.resize.under_way = Some(all);
        self.resize.retry_at = None;
    }

    pub(super) fn resized(&mut self, outcome: Result<(), ResizeFailure>, now: Timestamp) {
        let Some(done) = self.resize.under_way.take() else { return };
        match outcome {
            Ok(()) => {
                for ((name, attempt), resources) in done {
                    if let Some(c) = self.find(&name).filter(|c| c.running() && c.attempt == attempt) {
                        c.applied = resources;
                    }
                }
                self.resize.failure = None;
            }
            Err(failure) => {
                self.resize.failure = Some(failure);
                self.resize.retry_at = Some(later(now, RETRY));
            }
        }
    }

    /// At most one of the passing conditions.
    pub(super) fn resize_condition(&self, now: Timestamp) -> Option<Value> {
        if self.terminal.is_some() || !self.containers.iter().any(wants) {
            return None;
        }
        let (kind, reason, message) = match &self.resize.failure {
            Some(ResizeFailure::Infeasible(message)) => (PENDING, "Infeasible", message.as_str()),
            Some(ResizeFailure::Deferred(message)) => (PENDING, "Deferred", message.as_str()),
            Some(ResizeFailure::Error(message)) => (IN_PROGRESS, "Error", message.as_str()),
            None => (IN_PROGRESS, "", ""),
        };
        let mut condition = self.condition(kind, Ok(()), now);
        for (name, text) in [("reason", reason), ("message", message)] {
            condition[name] = if text.is_empty() { Value::Null } else { json!(text) };
        }
        Some(condition)
    }
}

/// It runs with other limits than its spec's.
fn wants(c: &Cont) -> bool {
    c.running() && c.stopping.is_none() && changed(c).next().is_some()
}

/// Names of resources whose request or limit is another now.
fn changed(c: &Cont) -> impl Iterator<Item = &'static str> {
    ["cpu", "memory"].into_iter().filter(|name| {
        let of = |resources: &Option<ResourceRequirements>| {
            let r = resources.as_ref();
            let (requests, limits) = (r.and_then(|r| r.requests.as_ref()), r.and_then(|r| r.limits.as_ref()));
            (amount(requests, name), amount(limits, name))
        };
        of(&c.applied) != of(&c.spec.resources)
    })
}

fn asks_for_restart(c: &Cont) -> bool {
    let policies = c.spec.resize_policy.as_deref().unwrap_or_default();
    changed(c).any(|name| policies.iter().any(|p| p.resource_name == name && p.restart_policy == "RestartContainer"))
}
