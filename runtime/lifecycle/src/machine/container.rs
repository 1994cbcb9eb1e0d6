//! What the machine knows of one container.

use super::{ContainerEnd, Role};
use crate::{Backoff, ProbeKind, ProbeMachine, backoff::later};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Container, ContainerRestartRule, Probe, ResourceRequirements};
use podium_types::Timestamp;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Image {
    Unknown,
    /// Reason and message of the last failure, which are shown until this attempt has an end.
    Pulling {
        failed: Option<(String, String)>,
    },
    Ready,
    Failed {
        reason: String,
        message: String,
        at: Timestamp,
        retry_at: Timestamp,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Current {
    /// Never started.
    None,
    Running(Life),
    Ended(Life, ContainerEnd),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Life {
    pub id: String,
    pub started_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stopping {
    pub kill_at: Timestamp,
    pub killed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Cont {
    pub name: String,
    pub role: Role,
    pub spec: Container,
    pub image: Image,
    pub image_id: String,
    pub pull_backoff: Backoff,
    /// Of the current life, or of the first one to come.
    pub attempt: u32,
    pub starting: bool,
    /// Requests and limits of the present life.
    pub applied: Option<ResourceRequirements>,
    pub current: Current,
    pub last: Option<(Life, ContainerEnd)>,
    pub probes: BTreeMap<ProbeKind, ProbeMachine>,
    pub stopping: Option<Stopping>,
    pub backoff: Backoff,
    pub retry_at: Option<Timestamp>,
    /// Why it could not be made.
    pub trouble: Option<(String, String)>,
}

impl Cont {
    pub fn new(spec: &Container, role: Role) -> Self {
        Self {
            name: spec.name.clone(),
            role,
            spec: spec.clone(),
            image: Image::Unknown,
            image_id: String::new(),
            pull_backoff: Backoff::default(),
            attempt: 0,
            starting: false,
            applied: None,
            current: Current::None,
            last: None,
            probes: BTreeMap::new(),
            stopping: None,
            backoff: Backoff::default(),
            retry_at: None,
            trouble: None,
        }
    }

    pub fn probe_spec(&self, kind: ProbeKind) -> Option<&Probe> {
        match kind {
            ProbeKind::Startup => self.spec.startup_probe.as_ref(),
            ProbeKind::Readiness => self.spec.readiness_probe.as_ref(),
            ProbeKind::Liveness => self.spec.liveness_probe.as_ref(),
        }
    }

    /// Makes the probes of a life that began at `started`; `known` are verdicts from before.
    pub fn arm(&mut self, started: Timestamp, now: Timestamp, known: impl Fn(ProbeKind) -> Option<bool>) {
        self.probes = ProbeKind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, ProbeMachine::new(self.probe_spec(kind)?, started, now, known(kind)))))
            .collect();
    }

    /// The number of the life that would start next.
    pub fn next_attempt(&self) -> u32 {
        match self.current {
            Current::Ended(..) => self.attempt.saturating_add(1),
            _ => self.attempt,
        }
    }

    pub fn running(&self) -> bool {
        matches!(self.current, Current::Running(_))
    }

    /// It runs, or will in a moment.
    pub fn alive(&self) -> bool {
        self.starting || self.running()
    }

    pub fn ended(&self) -> Option<&ContainerEnd> {
        match &self.current {
            Current::Ended(_, end) if !self.starting => Some(end),
            _ => None,
        }
    }

    pub fn succeeded(&self) -> bool {
        self.ended().is_some_and(|end| end.code == 0)
    }

    /// Its startup probe, where it has one, has succeeded.
    pub fn started(&self) -> bool {
        self.running() && self.probes.get(&ProbeKind::Startup).is_none_or(|p| p.verdict() == Some(true))
    }

    pub fn ready(&self) -> bool {
        match self.role {
            Role::Init => self.succeeded(),
            Role::Ephemeral => false,
            _ => self.started() && self.probes.get(&ProbeKind::Readiness).is_none_or(|p| p.verdict() == Some(true)),
        }
    }

    /// Whether the container is started again after it ended with `code`.
    pub fn restarts(&self, code: i32, policy: &str) -> bool {
        let policy = self.spec.restart_policy.as_deref().unwrap_or(policy);
        match (self.role, policy) {
            (Role::Ephemeral, _) => false,
            (Role::Sidecar, _) => true,
            _ if self.rule_restarts(code) => true,
            (Role::Init, "Never") => false,
            (Role::Init, _) => code != 0,
            (Role::Main, "Always") => true,
            (Role::Main, "OnFailure") => code != 0,
            (Role::Main, _) => false,
        }
    }

    /// Its own rules say so, whatever the policy (KEP-5307). The first rule that fits counts.
    fn rule_restarts(&self, code: i32) -> bool {
        let fits = |rule: &&ContainerRestartRule| {
            rule.exit_codes.as_ref().is_some_and(|codes| {
                let listed = codes.values.iter().flatten().any(|value| *value == code);
                listed == (codes.operator == "In")
            })
        };
        self.spec.restart_policy_rules.iter().flatten().find(fits).is_some_and(|rule| rule.action == "Restart")
    }

    /// It ended and stays so.
    pub fn settled(&self, policy: &str) -> bool {
        self.ended().is_some_and(|end| !self.restarts(end.code, policy))
    }

    /// Begins to end at `now`, SIGKILL after `grace`.
    pub fn stop(&mut self, now: Timestamp, grace_seconds: i64) {
        // A hook may use the grace up; the stop signal still gets a moment (the kubelet's minimum of 2 s).
        let hook = self.spec.lifecycle.as_ref().is_some_and(|l| l.pre_stop.is_some()) && grace_seconds > 0;
        let grace = SignedDuration::from_secs(grace_seconds + if hook { 2 } else { 0 });
        self.stopping = Some(Stopping { kill_at: later(now, grace), killed: false });
    }
}
