//! The state machine of one pod on its node.
//!
//! `step` is: take the event in, then look at the whole and do what is due. What is due depends on the state alone,
//! not on the order in which events led there. Containers that exist are never started twice for one attempt.

mod advance;
mod apply;
mod conditions;
mod container;
mod evict;
mod resize;
mod restore;
mod roster;
mod status;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole;

pub use resize::PASSING_CONDITIONS;
pub use roster::roster;

use crate::{Backoff, ProbeKind};
use container::Cont;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use podium_types::Timestamp;
use resize::Resize;
use serde_json::Value;
use std::{net::IpAddr, sync::Arc};

/// When a pod names no `terminationGracePeriodSeconds`.
pub const DEFAULT_GRACE_SECONDS: i64 = 30;

/// What part a container plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next.
    Init,
    /// An init container with `restartPolicy: Always`: starts in its turn and runs beside the others (KEP-753).
    Sidecar,
    /// One of `spec.containers`.
    Main,
    /// Added to a running pod to look at it: runs once, and the pod's life does not depend on it (KEP-277).
    Ephemeral,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerEnd {
    /// Exit code; 128 + signal for a signal.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`.
    pub reason: String,
    /// Its last words (terminationMessagePath).
    pub message: String,
    /// When.
    pub finished_at: Timestamp,
}

/// Why an image is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFailure {
    /// `ErrImagePull`, `ErrImageNeverPull`, `InvalidImageName`, `RegistryUnavailable`, …
    pub reason: String,
    /// For people.
    pub message: String,
}

/// Why running containers keep their limits for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResizeFailure {
    /// The node is too small for that.
    Infeasible(String),
    /// The node has no room now.
    Deferred(String),
    /// The kernel refused.
    Error(String),
}

/// A container found at the start, by what the node remembers of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its name in the spec.
    pub name: String,
    /// Restart count.
    pub attempt: u32,
    /// Its id, without a scheme.
    pub id: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Where it is in its life.
    pub state: SeenState,
}

/// See [`Seen`].
#[derive(Clone, Debug)]
pub enum SeenState {
    /// It runs.
    Running,
    /// It ended.
    Ended(ContainerEnd),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Network and volumes are there.
    Prepared(Vec<IpAddr>),
    /// They are not; tried again after a pause.
    PrepareFailed,
    /// The API's pod changed; also the deletion request arrives by this.
    Updated(Arc<Pod>),
    /// The API has no such pod any more.
    Removed,
    /// The pod must go, for a reason of this node; it becomes Failed.
    Fail {
        /// `pod.status.reason`
        reason: String,
        /// `pod.status.message`
        message: String,
    },
    /// The pod must leave the node that runs short or shuts down, or holds more than it may; it becomes Failed.
    Evict {
        /// `pod.status.reason`
        reason: &'static str,
        /// `pod.status.message`
        message: String,
        /// The pod's own grace, but no more than this.
        grace_seconds: i64,
    },
    /// A container's image is there.
    Image {
        /// Container.
        name: String,
        /// Digest of the image.
        id: String,
    },
    /// It is not.
    ImageFailed {
        /// Container.
        name: String,
        /// Why.
        failure: ImageFailure,
    },
    /// A container runs (and its postStart hook is done).
    Started {
        /// Container.
        name: String,
        /// Which life.
        attempt: u32,
        /// Its id.
        id: String,
        /// When.
        at: Timestamp,
    },
    /// No container was made.
    StartFailed {
        /// Container.
        name: String,
        /// Which life.
        attempt: u32,
        /// `CreateContainerConfigError`, `CreateContainerError`
        reason: String,
        /// For people.
        message: String,
    },
    /// A container ended.
    Exited {
        /// Container.
        name: String,
        /// Which life.
        attempt: u32,
        /// How.
        end: ContainerEnd,
    },
    /// A container must be restarted (its postStart hook failed).
    HookFailed {
        /// Container.
        name: String,
        /// Which life.
        attempt: u32,
    },
    /// A probe came back.
    Probed {
        /// Container.
        name: String,
        /// Which life.
        attempt: u32,
        /// Which probe.
        kind: ProbeKind,
        /// Its outcome; an error is the output of a failure.
        outcome: Result<(), String>,
    },
    /// What [`Action::Resize`] came to.
    Resized(Result<(), ResizeFailure>),
    /// Processes, network and volumes are gone.
    TornDown,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make network and volumes.
    Prepare,
    /// See that the image of a container is there.
    Pull {
        /// Container.
        name: String,
    },
    /// Make and start a container.
    Start {
        /// Container.
        name: String,
        /// Which life; also its restart count.
        attempt: u32,
    },
    /// Run a probe.
    Probe {
        /// Container.
        name: String,
        /// Which life.
        attempt: u32,
        /// Which probe.
        kind: ProbeKind,
    },
    /// Give the pod and these running containers the limits of the spec, where the node has room for all of the pod;
    /// answered by [`Event::Resized`].
    Resize {
        /// Name and life.
        containers: Vec<(String, u32)>,
    },
    /// preStop hook, then the stop signal.
    Stop {
        /// Container.
        name: String,
        /// Which life.
        attempt: u32,
        /// How long the hook may take.
        grace_seconds: i64,
    },
    /// SIGKILL.
    Kill {
        /// Container.
        name: String,
        /// Which life.
        attempt: u32,
    },
    /// Remove processes, network and volumes.
    TearDown,
    /// Delete the pod from the API with grace 0.
    Confirm,
    /// Nothing of the pod is left; forget it.
    Forget,
    /// Record an event about the pod, or about one of its containers.
    Record {
        /// Container.
        container: Option<String>,
        /// Warning, not Normal.
        warning: bool,
        /// `Killing`, `BackOff`, …
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// The status is now this.
    Publish(Value),
    /// Give a [`Event::Tick`] at this time; replaces an earlier wish.
    Wake(Timestamp),
}

#[derive(Clone, Debug, PartialEq)]
enum Sandbox {
    None,
    Preparing,
    Ready,
    Failed { retry_at: Timestamp },
    TearingDown,
    Gone,
}

#[derive(Clone, Debug)]
struct Failure {
    reason: String,
    message: String,
}

/// One pod on its node.
#[derive(Clone, Debug)]
pub struct PodMachine {
    pod: Arc<Pod>,
    containers: Vec<Cont>,
    sandbox: Sandbox,
    prepare_backoff: Backoff,
    ips: Vec<IpAddr>,
    host_ips: Vec<IpAddr>,
    started_at: Timestamp,
    /// Deadline of a requested deletion: the latest moment for SIGKILL.
    deletion: Option<Timestamp>,
    /// Deadline of an eviction, likewise.
    evicted_by: Option<Timestamp>,
    removed: bool,
    confirmed: bool,
    forgotten: bool,
    failure: Option<Failure>,
    /// A terminal phase, once reached, stays.
    terminal: Option<&'static str>,
    resize: Resize,
    published: Option<Value>,
    conditions: Vec<Value>,
}

impl PodMachine {
    /// Takes the event in and says what is to be done.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let mut out = Vec::new();
        self.apply(event, now, &mut out);
        self.advance(now, &mut out);
        self.publish(now, &mut out);
        if let Some(at) = self.next_wake(now) {
            out.push(Action::Wake(at));
        }
        out
    }

    /// The pod as last seen.
    pub fn pod(&self) -> &Arc<Pod> {
        &self.pod
    }

    /// The number of the life that a container is in, or begins next.
    pub fn attempt(&self, name: &str) -> Option<u32> {
        self.containers.iter().find(|c| c.name == name).map(Cont::next_attempt)
    }

    /// The pod's addresses.
    pub fn ips(&self) -> &[IpAddr] {
        &self.ips
    }

    /// Succeeded or Failed, for ever.
    pub fn terminal(&self) -> Option<&'static str> {
        self.terminal
    }

    fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }

    fn policy(&self) -> &str {
        self.spec().and_then(|s| s.restart_policy.as_deref()).unwrap_or("Always")
    }

    fn grace(&self) -> i64 {
        let spec = self.spec().and_then(|s| s.termination_grace_period_seconds).unwrap_or(DEFAULT_GRACE_SECONDS);
        self.pod.metadata.deletion_grace_period_seconds.unwrap_or(spec).max(0)
    }
}
