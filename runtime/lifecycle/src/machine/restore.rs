//! A machine from what is known: the pod, its last status, and the containers found on the node.

use super::{
    ContainerEnd, PodMachine, Sandbox, Seen, SeenState,
    container::{Cont, Current, Life},
    roster,
    status::without_scheme,
};
use crate::{Backoff, ProbeKind, backoff::later};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod, PodStatus};
use podium_types::Timestamp;
use std::{net::IpAddr, sync::Arc};

impl PodMachine {
    /// The machine of a pod. `status` is the last one known (on disk or in the API), `seen` are containers on this
    /// node, `network` the pod's addresses where it still has them.
    pub fn new(
        pod: Arc<Pod>,
        status: Option<&PodStatus>,
        seen: &[Seen],
        network: Option<Vec<IpAddr>>,
        host_ips: Vec<IpAddr>,
        now: Timestamp,
    ) -> Self {
        let mut containers: Vec<Cont> = roster(&pod).iter().map(|(role, spec)| Cont::new(spec, *role)).collect();
        let all: Vec<&ContainerStatus> = status
            .into_iter()
            .flat_map(|s| [&s.init_container_statuses, &s.container_statuses, &s.ephemeral_container_statuses])
            .flat_map(|list| list.iter().flatten())
            .collect();
        for c in &mut containers {
            let status = all.iter().find(|s| s.name == c.name);
            let newest = seen.iter().filter(|s| s.name == c.name).max_by_key(|s| s.attempt);
            restore(c, status.copied(), newest, now);
        }
        let known = status.and_then(|s| s.conditions.as_ref()).into_iter().flatten();
        let conditions = known.filter_map(|c| serde_json::to_value(c).ok()).collect();
        let terminal = match status.and_then(|s| s.phase.as_deref()) {
            Some("Succeeded") => Some("Succeeded"),
            Some("Failed") => Some("Failed"),
            _ => None,
        };
        let spec = || pod.spec.as_ref().and_then(|s| s.resources.clone());
        let whole = status.and_then(|s| s.resources.clone()).or_else(spec);
        let mut machine = Self {
            containers,
            sandbox: if network.is_some() { Sandbox::Ready } else { Sandbox::None },
            prepare_backoff: Backoff::default(),
            ips: network.unwrap_or_default(),
            host_ips,
            started_at: status.and_then(|s| s.start_time.as_ref()).map_or(now, |t| t.0),
            deletion: None,
            evicted_by: None,
            removed: false,
            confirmed: false,
            forgotten: false,
            failure: status
                .filter(|s| terminal.is_some() || s.reason.as_deref().is_some_and(super::evict::leaves))
                .and_then(|s| Some((s.reason.clone()?, s.message.clone().unwrap_or_default())))
                .map(|(reason, message)| super::Failure { reason, message }),
            terminal,
            resize: super::Resize::begin(whole),
            published: None,
            conditions,
            pod: pod.clone(),
        };
        if terminal.is_some() && machine.ips.is_empty() {
            let ips = status.and_then(|s| s.pod_ips.as_ref()).into_iter().flatten();
            machine.ips = ips.filter_map(|ip| ip.ip.parse().ok()).collect();
        }
        machine.apply(super::Event::Updated(pod), now, &mut Vec::new());
        machine
    }
}

fn restore(c: &mut Cont, status: Option<&ContainerStatus>, seen: Option<&Seen>, now: Timestamp) {
    if let Some(status) = status {
        c.attempt = u32::try_from(status.restart_count).unwrap_or(0);
        c.image_id.clone_from(&status.image_id);
        c.last = status.last_state.as_ref().and_then(ended);
        if let Some((life, end)) = status.state.as_ref().and_then(ended) {
            c.current = Current::Ended(life, end);
        } else if let Some((life, end)) = c.last.clone().filter(|_| is_waiting(status)) {
            // It waits to be restarted: what ended last is the present state.
            c.current = Current::Ended(life, end);
            c.last = None;
        } else if let Some(running) = status.state.as_ref().and_then(|s| s.running.as_ref()) {
            // Overwritten below when the container is found.
            let id = without_scheme(status.container_id.as_deref().unwrap_or_default());
            let life = Life { id, started_at: running.started_at.as_ref().map_or(now, |t| t.0) };
            let end = ContainerEnd {
                code: 137,
                signal: None,
                reason: "ContainerStatusUnknown".to_owned(),
                message: "The container could not be located when the pod was restored.".to_owned(),
                finished_at: now,
            };
            c.current = Current::Ended(life, end);
        }
        c.backoff = Backoff::after(c.attempt, now);
    }
    if let Some(seen) = seen.filter(|s| s.attempt >= c.attempt) {
        found(c, status, seen, now);
    }
    if let Current::Ended(_, end) = &c.current
        && c.attempt > 0
    {
        c.retry_at = Some(later(end.finished_at, c.backoff.delay(end.finished_at)));
    }
}

/// A container that this node still has, or has the end of.
fn found(c: &mut Cont, status: Option<&ContainerStatus>, seen: &Seen, now: Timestamp) {
    if seen.attempt > c.attempt
        && let Current::Ended(life, end) = &c.current
    {
        c.last = Some((life.clone(), end.clone()));
    }
    c.attempt = seen.attempt;
    let life = Life { id: seen.id.clone(), started_at: seen.started_at };
    match &seen.state {
        SeenState::Running => {
            let verdicts = status.map(|s| (s.started == Some(true), s.ready));
            c.arm(seen.started_at, now, |kind| {
                let (started, ready) = verdicts?;
                match kind {
                    ProbeKind::Startup => started.then_some(true),
                    ProbeKind::Readiness => ready.then_some(true),
                    ProbeKind::Liveness => None,
                }
            });
            c.current = Current::Running(life);
            c.applied = status.and_then(|s| s.resources.clone()).or_else(|| c.spec.resources.clone());
        }
        SeenState::Ended(end) => c.current = Current::Ended(life, end.clone()),
    }
}

fn is_waiting(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|s| s.waiting.is_some())
}

fn ended(state: &ContainerState) -> Option<(Life, ContainerEnd)> {
    let t = state.terminated.as_ref()?;
    let finished_at = t.finished_at.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    let life = Life {
        id: without_scheme(t.container_id.as_deref().unwrap_or_default()),
        started_at: t.started_at.as_ref().map_or(finished_at, |t| t.0),
    };
    let end = ContainerEnd {
        code: t.exit_code,
        signal: t.signal,
        reason: t.reason.clone().unwrap_or_default(),
        message: t.message.clone().unwrap_or_default(),
        finished_at,
    };
    Some((life, end))
}
