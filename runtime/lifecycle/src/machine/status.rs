//! `pod.status`, as the node sees it.

use super::{
    Action, ContainerEnd, PodMachine, Role, Sandbox,
    advance::SHOW_PULL_ERROR,
    apply::describe,
    container::{Cont, Current, Image, Life},
};
use crate::{backoff::later, qos};
use k8s_openapi::api::core::v1::VolumeMount;
use podium_types::Timestamp;
use serde_json::{Map, Value, json};

/// Scheme of container ids.
const SCHEME: &str = "podium://";

impl PodMachine {
    /// Emits the status where it changed.
    pub(super) fn publish(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        let status = self.status(now);
        if self.published.as_ref() != Some(&status) {
            self.published = Some(status.clone());
            out.push(Action::Publish(status));
        }
    }

    /// `pod.status.phase`
    pub fn phase(&self) -> &'static str {
        if let Some(phase) = self.terminal {
            return phase;
        }
        let waits = |c: &Cont| c.current == Current::None;
        if !self.initialized() || self.of(Role::Main).any(waits) { "Pending" } else { "Running" }
    }

    /// Init containers are done, and sidecars up.
    pub(super) fn initialized(&self) -> bool {
        self.of(Role::Main).any(|c| c.current != Current::None)
            || self.of(Role::Init).all(Cont::succeeded) && self.of(Role::Sidecar).all(Cont::started)
    }

    fn status(&mut self, now: Timestamp) -> Value {
        let mut status = Map::new();
        status.insert("phase".into(), self.phase().into());
        status.insert("conditions".into(), self.conditions(now));
        if let Some(failure) = &self.failure {
            status.insert("reason".into(), failure.reason.clone().into());
            status.insert("message".into(), failure.message.clone().into());
        }
        let list =
            |ips: &[std::net::IpAddr]| -> Value { ips.iter().map(|ip| json!({ "ip": ip.to_string() })).collect() };
        if let Some(ip) = self.host_ips.first() {
            status.insert("hostIP".into(), ip.to_string().into());
            status.insert("hostIPs".into(), list(&self.host_ips));
        }
        if let Some(ip) = self.ips.first() {
            status.insert("podIP".into(), ip.to_string().into());
            status.insert("podIPs".into(), list(&self.ips));
        }
        status.insert("startTime".into(), time(self.started_at));
        status.insert("qosClass".into(), qos::class(&self.pod).name().into());
        if let Some(generation) = self.pod.metadata.generation {
            status.insert("observedGeneration".into(), generation.into());
        }
        if let Some(whole) = &self.resize.whole {
            status.insert("resources".into(), serde_json::to_value(whole).unwrap_or_default());
            status.insert("allocatedResources".into(), serde_json::to_value(&whole.requests).unwrap_or_default());
        }
        for (list, roles) in [
            ("initContainerStatuses", &[Role::Init, Role::Sidecar][..]),
            ("containerStatuses", &[Role::Main]),
            ("ephemeralContainerStatuses", &[Role::Ephemeral]),
        ] {
            let those = self.containers.iter().filter(|c| roles.contains(&c.role));
            let those: Vec<Value> = those.map(|c| self.container_status(c, now)).collect();
            if !those.is_empty() {
                status.insert(list.into(), those.into());
            }
        }
        Value::Object(status)
    }

    fn container_status(&self, c: &Cont, now: Timestamp) -> Value {
        let (state, last) = self.states(c, now);
        let (id, image_id) = match &c.current {
            Current::None => (String::new(), c.image_id.clone()),
            Current::Running(life) | Current::Ended(life, _) => (container_id(life), c.image_id.clone()),
        };
        let mut status = json!({
            "name": c.name,
            "image": c.spec.image.clone().unwrap_or_default(),
            "imageID": image_id,
            "ready": c.ready(),
            "started": c.started(),
            "restartCount": c.attempt,
            "state": state,
            "lastState": last,
        });
        if !id.is_empty() {
            status["containerID"] = id.into();
        }
        let resources = if c.running() { &c.applied } else { &c.spec.resources };
        if let Some(shown) = resources.as_ref().and_then(|r| serde_json::to_value(r).ok()) {
            status["resources"] = shown;
        }
        if let Some(requests) = resources.as_ref().and_then(|r| r.requests.as_ref()) {
            status["allocatedResources"] = serde_json::to_value(requests).unwrap_or_default();
        }
        let mounts: Vec<Value> = c.spec.volume_mounts.iter().flatten().map(mounted).collect();
        if !mounts.is_empty() {
            status["volumeMounts"] = mounts.into();
        }
        status
    }

    /// `state` and `lastState`.
    fn states(&self, c: &Cont, now: Timestamp) -> (Value, Value) {
        let last = c.last.as_ref().map_or_else(|| json!({}), |(life, end)| terminated(life, end));
        match &c.current {
            Current::Running(life) => (json!({ "running": { "startedAt": time(life.started_at) } }), last),
            Current::Ended(life, end) => match self.waits(c, now).filter(|_| !self.closing()) {
                Some(waiting) => (waiting, terminated(life, end)),
                None => (terminated(life, end), last),
            },
            Current::None => {
                let inits = self.containers.iter().any(|c| matches!(c.role, Role::Init | Role::Sidecar));
                // Init containers themselves are being initialised too, except for the one whose turn it is.
                let idle = if inits && c.role != Role::Ephemeral && !self.initialized() {
                    "PodInitializing"
                } else {
                    "ContainerCreating"
                };
                (self.waits(c, now).unwrap_or_else(|| waiting(idle, "")), last)
            }
        }
    }

    /// Why a container that is to start does not.
    fn waits(&self, c: &Cont, now: Timestamp) -> Option<Value> {
        let failed = match &c.image {
            Image::Failed { reason, message, at, .. } => Some((reason, message, now < later(*at, SHOW_PULL_ERROR))),
            Image::Pulling { failed: Some((reason, message)) } => Some((reason, message, false)),
            _ => None,
        };
        if let Some((reason, message, fresh)) = failed {
            if fresh || reason != "ErrImagePull" {
                return Some(waiting(reason, message));
            }
            let image = c.spec.image.as_deref().unwrap_or_default();
            let text = format!("Back-off pulling image \"{image}\": ErrImagePull: {message}");
            return Some(waiting("ImagePullBackOff", &text));
        }
        if let Some((reason, message)) = &c.trouble {
            return Some(waiting(reason, message));
        }
        let (retry_at, end) = (c.retry_at?, c.ended()?);
        if retry_at <= now {
            return None;
        }
        let pause = retry_at.duration_since(end.finished_at).as_secs();
        let text = if pause < 60 { format!("{pause}s") } else { format!("{}m{}s", pause / 60, pause % 60) };
        let message = format!("back-off {text} restarting failed container={} pod={}", c.name, describe(&self.pod));
        Some(waiting("CrashLoopBackOff", &message))
    }

    /// The pod reached its network and may run containers.
    pub(super) fn prepared(&self) -> bool {
        self.sandbox == Sandbox::Ready
    }
}

/// A volume mount as it came to be: the node always can mount read-only with all that is below (KEP-3857).
fn mounted(mount: &VolumeMount) -> Value {
    let mut shown = json!({ "name": mount.name, "mountPath": mount.mount_path });
    if mount.read_only == Some(true) {
        let below = matches!(mount.recursive_read_only.as_deref(), Some("Enabled" | "IfPossible"));
        shown["readOnly"] = true.into();
        shown["recursiveReadOnly"] = if below { "Enabled" } else { "Disabled" }.into();
    }
    shown
}

fn waiting(reason: &str, message: &str) -> Value {
    match message {
        "" => json!({ "waiting": { "reason": reason } }),
        _ => json!({ "waiting": { "reason": reason, "message": message } }),
    }
}

fn terminated(life: &Life, end: &ContainerEnd) -> Value {
    let mut state = json!({
        "exitCode": end.code,
        "reason": end.reason,
        "startedAt": time(life.started_at),
        "finishedAt": time(end.finished_at),
    });
    if !life.id.is_empty() {
        state["containerID"] = container_id(life).into();
    }
    if !end.message.is_empty() {
        state["message"] = end.message.clone().into();
    }
    json!({ "terminated": state })
}

fn container_id(life: &Life) -> String {
    if life.id.is_empty() { String::new() } else { format!("{SCHEME}{}", life.id) }
}

/// RFC 3339 in whole seconds, as `metav1.Time` is written.
pub(super) fn time(at: Timestamp) -> Value {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string().into()
}

/// The id behind `podium://`.
pub(super) fn without_scheme(id: &str) -> String {
    id.strip_prefix(SCHEME).unwrap_or(id).to_owned()
}
