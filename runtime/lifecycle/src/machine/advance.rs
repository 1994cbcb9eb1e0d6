//! Looks at the whole and does what is due.

use super::{
    Action, Failure, PodMachine, Role, Sandbox,
    container::{Cont, Image},
};
use crate::{ProbeKind, backoff::later};
use jiff::SignedDuration;
use podium_types::Timestamp;

/// How long a failed pull is shown as such before it is shown as backing off.
pub(super) const SHOW_PULL_ERROR: SignedDuration = SignedDuration::from_secs(2);

impl PodMachine {
    pub(super) fn advance(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        if self.forgotten {
            return;
        }
        if self.terminal.is_none() && self.failure.is_none() && self.active_deadline().is_some_and(|at| at <= now) {
            self.failure = Some(Failure {
                reason: "DeadlineExceeded".to_owned(),
                message: "Pod was active on the node longer than the specified deadline".to_owned(),
            });
        }
        if self.closing() {
            self.close(now, out);
        } else {
            self.open(now, out);
        }
        self.kill_overdue(now, out);
    }

    /// No container is to be started any more.
    pub(super) fn closing(&self) -> bool {
        self.terminal.is_some() || self.deletion.is_some() || self.failure.is_some() || self.finished()
    }

    /// All work is done, or an init container failed for good.
    fn finished(&self) -> bool {
        let policy = self.policy();
        let init_failed = self.of(Role::Init).any(|c| c.settled(policy) && !c.succeeded());
        init_failed || self.of(Role::Main).all(|c| c.settled(policy)) && self.of(Role::Main).next().is_some()
    }

    fn active_deadline(&self) -> Option<Timestamp> {
        let seconds = self.spec()?.active_deadline_seconds?;
        Some(later(self.started_at, SignedDuration::from_secs(seconds)))
    }

    /// Starts what may start.
    fn open(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        match self.sandbox {
            Sandbox::None => {
                self.sandbox = Sandbox::Preparing;
                out.push(Action::Prepare);
            }
            Sandbox::Failed { retry_at } if retry_at <= now => {
                self.sandbox = Sandbox::Preparing;
                out.push(Action::Prepare);
            }
            _ => {}
        }
        let policy = self.policy().to_owned();
        let prepared = self.sandbox == Sandbox::Ready;
        // A restarted pod does not run init containers again: they are done once any main container was there.
        let past_init = self.of(Role::Main).any(|c| c.alive() || c.ended().is_some());
        let mut turn = true;
        for c in &mut self.containers {
            let done = match c.role {
                Role::Init => past_init || c.succeeded(),
                Role::Sidecar => past_init || c.started(),
                Role::Main | Role::Ephemeral => true,
            };
            let rests = c.role == Role::Init && past_init || c.settled(&policy);
            // Who looks into a pod also sees one that does not get past its init containers.
            if (turn || c.role == Role::Ephemeral) && !rests {
                begin(c, prepared, now, out);
            }
            turn &= done;
        }
        for c in &mut self.containers {
            run_probes(c, now, out);
        }
        self.resize(now, out);
    }

    /// Ends what runs, then everything else.
    fn close(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        let grace = match self.end_by() {
            Some(by) => by.duration_since(now).as_secs().max(0),
            None => self.grace(),
        };
        let mains_alive = self.containers.iter().any(|c| c.role != Role::Sidecar && c.alive());
        // Sidecars go after the others, the last to come first.
        let mut held = mains_alive;
        for c in self.containers.iter_mut().rev() {
            let waits = c.role == Role::Sidecar && held;
            // One that is being started is stopped too: its postStart hook may take for ever.
            if c.alive() && c.stopping.is_none() && !waits {
                c.stop(now, grace);
                let message = format!("Stopping container {}", c.name);
                out.push(Action::Record {
                    container: Some(c.name.clone()),
                    warning: false,
                    reason: "Killing",
                    message,
                });
                out.push(Action::Stop { name: c.name.clone(), attempt: c.next_attempt(), grace_seconds: grace });
            }
            held |= c.role == Role::Sidecar && c.alive();
        }
        if self.containers.iter().any(Cont::alive) || self.sandbox == Sandbox::Preparing {
            return;
        }
        self.terminal.get_or_insert(
            // Who was never started has not succeeded.
            if self.failure.is_none() && self.of(Role::Main).all(Cont::succeeded) { "Succeeded" } else { "Failed" },
        );
        match self.sandbox {
            Sandbox::Gone if self.removed => {
                self.forgotten = true;
                out.push(Action::Forget);
            }
            Sandbox::Gone if self.deletion.is_some() && !self.confirmed => {
                self.confirmed = true;
                // The last status goes before the pod does.
                self.publish(now, out);
                out.push(Action::Confirm);
            }
            Sandbox::Gone | Sandbox::TearingDown => {}
            _ => {
                self.sandbox = Sandbox::TearingDown;
                out.push(Action::TearDown);
            }
        }
    }

    fn kill_overdue(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        for c in &mut self.containers {
            let (name, attempt, alive) = (c.name.clone(), c.next_attempt(), c.alive());
            if let Some(stopping) = c.stopping.as_mut().filter(|s| alive && !s.killed && s.kill_at <= now) {
                stopping.killed = true;
                out.push(Action::Kill { name, attempt });
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        if self.forgotten {
            return None;
        }
        let closing = self.closing();
        let mut due: Vec<Timestamp> = Vec::new();
        for c in &self.containers {
            due.extend(c.stopping.as_ref().filter(|s| !s.killed && c.alive()).map(|s| s.kill_at));
            if closing {
                continue;
            }
            due.extend(c.retry_at);
            if let Image::Failed { at, retry_at, .. } = &c.image {
                due.extend([*retry_at, later(*at, SHOW_PULL_ERROR)]);
            }
            for (kind, probe) in &c.probes {
                if c.running() && c.stopping.is_none() && wanted(c, *kind) {
                    due.extend(probe.due());
                }
            }
        }
        if !closing {
            due.extend(self.active_deadline());
            due.extend(self.resize.retry_at);
            if let Sandbox::Failed { retry_at } = self.sandbox {
                due.push(retry_at);
            }
        }
        due.into_iter().filter(|at| *at > now).min()
    }
}

/// Pulls the image and starts the container, as far as it is time for that.
fn begin(c: &mut Cont, prepared: bool, now: Timestamp, out: &mut Vec<Action>) {
    if c.alive() || c.retry_at.is_some_and(|at| at > now) {
        return;
    }
    match &c.image {
        Image::Unknown => {
            c.image = Image::Pulling { failed: None };
            out.push(Action::Pull { name: c.name.clone() });
        }
        Image::Failed { retry_at, reason, message, .. } if *retry_at <= now => {
            c.image = Image::Pulling { failed: Some((reason.clone(), message.clone())) };
            out.push(Action::Pull { name: c.name.clone() });
        }
        Image::Ready if prepared => {
            if c.ended().is_some() {
                c.backoff.retried(now);
            }
            out.push(Action::Start { name: c.name.clone(), attempt: c.next_attempt() });
            c.retry_at = None;
            c.starting = true;
            c.applied.clone_from(&c.spec.resources);
        }
        _ => {}
    }
}

fn run_probes(c: &mut Cont, now: Timestamp, out: &mut Vec<Action>) {
    if !c.running() || c.stopping.is_some() {
        return;
    }
    for kind in ProbeKind::ALL {
        if !wanted(c, kind) {
            continue;
        }
        if let Some(probe) = c.probes.get_mut(&kind).filter(|p| p.due().is_some_and(|at| at <= now)) {
            probe.begin(now);
            out.push(Action::Probe { name: c.name.clone(), attempt: c.attempt, kind });
        }
    }
}

/// A startup probe runs until it succeeds, the others after that.
fn wanted(c: &Cont, kind: ProbeKind) -> bool {
    (kind == ProbeKind::Startup) != c.started()
}
