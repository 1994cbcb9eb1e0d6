//! Takes an event into the state. What follows from it is decided in `advance`.

use super::{
    Action, Event, Failure, PodMachine, Role, Sandbox,
    container::{Cont, Current, Image, Life},
    roster,
};
use crate::{ProbeKind, backoff::later};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use podium_types::Timestamp;
use std::sync::Arc;

/// How soon a container that could not be configured is tried again.
const CONFIG_RETRY: SignedDuration = SignedDuration::from_secs(5);
/// How soon network and volumes are tried again at first; later the back-off's pauses hold.
const PREPARE_RETRY: SignedDuration = SignedDuration::from_secs(1);

impl PodMachine {
    pub(super) fn apply(&mut self, event: Event, now: Timestamp, out: &mut Vec<Action>) {
        match event {
            Event::Prepared(ips) => {
                self.ips = ips;
                if self.sandbox == Sandbox::Preparing {
                    self.sandbox = Sandbox::Ready;
                }
            }
            Event::PrepareFailed => {
                let pause = self.prepare_backoff.delay(now).max(PREPARE_RETRY);
                self.prepare_backoff.retried(now);
                self.sandbox = Sandbox::Failed { retry_at: later(now, pause) };
            }
            Event::Updated(pod) => self.update(pod, now, out),
            Event::Removed => {
                self.removed = true;
                let by = later(now, SignedDuration::from_secs(self.grace()));
                self.deletion = Some(self.deletion.map_or(by, |at| at.min(by)));
            }
            Event::Fail { reason, message } => {
                self.failure.get_or_insert(Failure { reason, message });
            }
            Event::Evict { reason, message, grace_seconds } => self.evict(reason, message, grace_seconds, now),
            Event::Image { name, id } => {
                if let Some(c) = self.find(&name) {
                    c.image = Image::Ready;
                    c.image_id = id;
                }
            }
            Event::ImageFailed { name, failure } => {
                if let Some(c) = self.find(&name) {
                    c.pull_backoff.retried(now);
                    let retry_at = later(now, c.pull_backoff.delay(now));
                    if failure.reason == "ErrImagePull" {
                        let message =
                            format!("Back-off pulling image \"{}\"", c.spec.image.as_deref().unwrap_or_default());
                        let container = Some(name);
                        out.push(Action::Record { container, warning: false, reason: "BackOff", message });
                    }
                    c.image = Image::Failed { reason: failure.reason, message: failure.message, at: now, retry_at };
                }
            }
            Event::Started { name, attempt, id, at } => {
                if let Some(c) = self.find(&name).filter(|c| c.starting && c.next_attempt() == attempt) {
                    began(c, Life { id, started_at: at }, attempt, now);
                }
            }
            Event::StartFailed { name, attempt, reason, message } => {
                if let Some(c) = self.find(&name).filter(|c| c.starting && c.next_attempt() == attempt) {
                    c.starting = false;
                    c.trouble = Some((reason, message));
                    c.retry_at = Some(later(now, CONFIG_RETRY));
                }
            }
            Event::Exited { name, attempt, end } => self.exited(&name, attempt, end, now, out),
            Event::HookFailed { name, attempt } => {
                let grace = self.grace();
                if let Some(c) = self.find(&name).filter(|c| c.alive() && c.next_attempt() == attempt) {
                    restart(c, grace, now, "FailedPostStartHook", out);
                }
            }
            Event::Probed { name, attempt, kind, outcome } => self.probed(&name, attempt, kind, outcome, now, out),
            Event::Resized(outcome) => self.resized(outcome, now, out),
            Event::TornDown => self.sandbox = Sandbox::Gone,
            Event::Tick => {}
        }
    }

    pub(super) fn find(&mut self, name: &str) -> Option<&mut Cont> {
        self.containers.iter_mut().find(|c| c.name == name)
    }

    fn update(&mut self, pod: Arc<Pod>, now: Timestamp, out: &mut Vec<Action>) {
        self.pod = pod;
        // Images of containers may be changed in place; the rest of a container is immutable.
        let grace = self.grace();
        for (role, spec) in roster(&self.pod) {
            if role == Role::Ephemeral && self.find(&spec.name).is_none() {
                self.containers.push(Cont::new(&spec, role));
            }
            if let Some(c) = self.find(&spec.name) {
                let changed = c.spec.image != spec.image;
                c.spec = spec;
                if changed {
                    c.image = Image::Unknown;
                    if c.running() && c.stopping.is_none() {
                        restart(c, grace, now, "definition changed", out);
                    }
                }
            }
        }
        if self.pod.metadata.deletion_timestamp.is_some() {
            // Counted from when this node learns of it, as containers need the whole grace.
            let by = later(now, SignedDuration::from_secs(self.grace()));
            let by = self.deletion.map_or(by, |at| at.min(by));
            self.deletion = Some(by);
            for c in &mut self.containers {
                if let Some(stopping) = &mut c.stopping {
                    stopping.kill_at = stopping.kill_at.min(by);
                }
            }
        }
    }

    fn exited(&mut self, name: &str, attempt: u32, end: super::ContainerEnd, now: Timestamp, out: &mut Vec<Action>) {
        let (closing, policy) = (self.deletion.is_some() || self.failure.is_some(), self.policy().to_owned());
        let pod = describe(&self.pod);
        let Some(c) = self.find(name) else { return };
        let life = match &c.current {
            Current::Running(life) if c.attempt == attempt => life.clone(),
            // It ended before, or instead of, being reported as started.
            _ if c.starting && c.next_attempt() == attempt => {
                let life = Life { id: String::new(), started_at: end.finished_at };
                began(c, life.clone(), attempt, now);
                life
            }
            _ => return,
        };
        let finished = end.finished_at;
        let again = !closing && c.restarts(end.code, &policy);
        c.current = Current::Ended(life, end);
        c.starting = false;
        c.stopping = None;
        c.probes.clear();
        c.image = Image::Unknown;
        if again {
            let delay = c.backoff.delay(finished);
            if delay > SignedDuration::ZERO {
                c.retry_at = Some(later(finished, delay));
                let message = format!("Back-off restarting failed container {name} in pod {pod}");
                out.push(Action::Record {
                    container: Some(name.to_owned()),
                    warning: true,
                    reason: "BackOff",
                    message,
                });
            }
        }
    }

    fn probed(
        &mut self,
        name: &str,
        attempt: u32,
        kind: ProbeKind,
        outcome: Result<(), String>,
        now: Timestamp,
        out: &mut Vec<Action>,
    ) {
        let grace = self.grace();
        let Some(c) = self.find(name).filter(|c| c.running() && c.attempt == attempt && c.stopping.is_none()) else {
            return;
        };
        let Some(probe) = c.probes.get_mut(&kind) else { return };
        let verdict = probe.outcome(outcome.is_ok());
        if let Err(output) = outcome {
            let message = format!("{} probe failed: {output}", kind.title());
            out.push(Action::Record { container: Some(name.to_owned()), warning: true, reason: "Unhealthy", message });
        }
        if verdict == Some(false) && kind != ProbeKind::Readiness {
            let own = c.probe_spec(kind).and_then(|p| p.termination_grace_period_seconds);
            let reason = if kind == ProbeKind::Liveness { "failed liveness probe" } else { "failed startup probe" };
            restart(c, own.unwrap_or(grace), now, reason, out);
        }
    }
}

fn began(c: &mut Cont, life: Life, attempt: u32, now: Timestamp) {
    if let Current::Ended(life, end) = std::mem::replace(&mut c.current, Current::None) {
        c.last = Some((life, end));
    }
    let started = life.started_at;
    c.current = Current::Running(life);
    c.attempt = attempt;
    c.starting = false;
    c.stopping = None;
    c.trouble = None;
    c.retry_at = None;
    c.arm(started, now, |_| None);
}

pub(super) fn restart(c: &mut Cont, grace: i64, now: Timestamp, why: &str, out: &mut Vec<Action>) {
    c.stop(now, grace);
    let message = format!("Container {} {why}, will be restarted", c.name);
    out.push(Action::Record { container: Some(c.name.clone()), warning: false, reason: "Killing", message });
    out.push(Action::Stop { name: c.name.clone(), attempt: c.attempt, grace_seconds: grace });
}

/// `name_namespace(uid)`, as the kubelet names pods in messages.
pub(super) fn describe(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    format!("{}_{}({})", text(&meta.name), text(&meta.namespace), text(&meta.uid))
}

impl PodMachine {
    /// Containers of a role.
    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Cont> {
        self.containers.iter().filter(move |c| c.role == role)
    }
}
