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
    /// What is being done; None while nothing is.
    under_way: Option<Wishes>,
    /// Requests and limits of the pod as a whole.
    pub whole: Option<ResourceRequirements>,
    failure: Option<ResizeFailure>,
    pub retry_at: Option<Timestamp>,
}

impl Resize {
    /// Of a pod that has this as a whole.
    pub fn begin(whole: Option<ResourceRequirements>) -> Self {
        Self { whole, ..Self::default() }
    }
}

/// What the spec asked for when a resize began.
#[derive(Clone, Debug)]
struct Wishes {
    /// By name and life.
    containers: BTreeMap<(String, u32), Option<ResourceRequirements>>,
    whole: Option<ResourceRequirements>,
}

impl PodMachine {
    /// Begins what the spec asks for.
    pub(super) fn resize(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        if !self.wants_resize() {
            if self.resize.under_way.is_none() {
                self.resize = Resize { whole: self.resize.whole.take(), ..Resize::default() };
            }
            return;
        }
        if self.resize.under_way.is_some() || self.resize.retry_at.is_some_and(|at| at > now) {
            return;
        }
        let wanted = || self.containers.iter().filter(|c| wants(c));
        let key = |c: &Cont| (c.name.clone(), c.attempt);
        // Those that are restarted get their limits then, but the node must have room for them now.
        out.push(Action::Resize { containers: wanted().filter(|c| !asks_for_restart(c)).map(key).collect() });
        let containers = wanted().map(|c| (key(c), c.spec.resources.clone())).collect();
        self.resize.under_way = Some(Wishes { containers, whole: self.whole() });
        self.resize.retry_at = None;
    }

    /// What the spec says of the pod as a whole.
    fn whole(&self) -> Option<ResourceRequirements> {
        self.spec().and_then(|s| s.resources.clone())
    }

    /// Something runs with other limits than the spec's.
    fn wants_resize(&self) -> bool {
        let whole = || self.spec().and_then(|s| s.resources.as_ref());
        let runs = || self.containers.iter().any(Cont::running);
        self.containers.iter().any(wants) || differ(self.resize.whole.as_ref(), whole()).next().is_some() && runs()
    }

    pub(super) fn resized(&mut self, outcome: Result<(), ResizeFailure>, now: Timestamp, out: &mut Vec<Action>) {
        let Some(done) = self.resize.under_way.take() else { return };
        let grace = self.grace();
        match outcome {
            Ok(()) => {
                for ((name, attempt), resources) in done.containers {
                    match self.find(&name).filter(|c| c.running() && c.attempt == attempt) {
                        Some(c) if wants(c) && asks_for_restart(c) => restart(c, grace, now, "resources changed", out),
                        Some(c) => c.applied = resources,
                        None => {}
                    }
                }
                self.resize.whole = done.whole;
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
        if self.terminal.is_some() || !self.wants_resize() {
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

/// Names of resources of which the container's request or limit is another now.
fn changed(c: &Cont) -> impl Iterator<Item = &'static str> {
    differ(c.applied.as_ref(), c.spec.resources.as_ref())
}

fn differ<'a>(
    old: Option<&'a ResourceRequirements>,
    new: Option<&'a ResourceRequirements>,
) -> impl Iterator<Item = &'static str> + use<'a> {
    ["cpu", "memory"].into_iter().filter(move |name| {
        let of = |r: Option<&ResourceRequirements>| {
            let (requests, limits) = (r.and_then(|r| r.requests.as_ref()), r.and_then(|r| r.limits.as_ref()));
            (amount(requests, name), amount(limits, name))
        };
        of(old) != of(new)
    })
}

fn asks_for_restart(c: &Cont) -> bool {
    let policies = c.spec.resize_policy.as_deref().unwrap_or_default();
    changed(c).any(|name| policies.iter().any(|p| p.resource_name == name && p.restart_policy == "RestartContainer"))
}
