//! `pod.status.conditions`: those that the node owns. Others (`DisruptionTarget`, readiness gates) are left to their
//! owners: the status is written by a patch that merges conditions by type.

use super::{PodMachine, Role, container::Cont, status::time};
use podium_types::Timestamp;
use serde_json::{Value, json};

impl PodMachine {
    /// The node's conditions, with the time of their last change.
    pub(super) fn conditions(&mut self, now: Timestamp) -> Value {
        let ready = self.containers_ready();
        let pod_ready = match &ready {
            Ok(()) => self.gates(),
            Err(why) => Err(why.clone()),
        };
        let prepared = if self.prepared() { Ok(()) } else { Err((String::new(), String::new())) };
        let mut list = vec![
            ("PodReadyToStartContainers", prepared),
            ("Initialized", self.initialized_condition()),
            ("Ready", pod_ready),
            ("ContainersReady", ready),
            ("PodScheduled", Ok(())),
        ];
        let resize = self.resize_condition(now);
        let disruption = self.disruption(now);
        let fresh = list
            .drain(..)
            .map(|(kind, outcome)| self.condition(kind, outcome, now))
            .chain(resize)
            .chain(disruption)
            .collect();
        self.conditions = fresh;
        self.conditions.clone().into()
    }

    pub(super) fn condition(&self, kind: &str, outcome: Result<(), (String, String)>, now: Timestamp) -> Value {
        let status = if outcome.is_ok() { "True" } else { "False" };
        let before = self.conditions.iter().find(|c| c["type"] == kind);
        let since = before.filter(|c| c["status"] == status).map(|c| c["lastTransitionTime"].clone());
        let mut condition = json!({
            "type": kind,
            "status": status,
            "lastProbeTime": null,
            "lastTransitionTime": since.filter(Value::is_string).unwrap_or_else(|| time(now)),
        });
        if let Some(generation) = self.pod.metadata.generation {
            condition["observedGeneration"] = generation.into();
        }
        // null takes an earlier reason away in a patch.
        let (reason, message) = outcome.err().unwrap_or_default();
        let text = |text: String| if text.is_empty() { Value::Null } else { text.into() };
        condition["reason"] = text(reason);
        condition["message"] = text(message);
        condition
    }

    fn initialized_condition(&self) -> Result<(), (String, String)> {
        if self.initialized() {
            return Ok(());
        }
        let done = |c: &&Cont| match c.role {
            Role::Init => c.succeeded(),
            _ => c.started(),
        };
        let before = self.containers.iter().filter(|c| matches!(c.role, Role::Init | Role::Sidecar));
        let names: Vec<&str> = before.filter(|c| !done(c)).map(|c| c.name.as_str()).collect();
        let message = format!("containers with incomplete status: [{}]", names.join(" "));
        Err(("ContainersNotInitialized".to_owned(), message))
    }

    fn containers_ready(&self) -> Result<(), (String, String)> {
        match self.terminal {
            Some("Succeeded") => return Err(("PodCompleted".to_owned(), String::new())),
            Some(_) => return Err(("PodFailed".to_owned(), String::new())),
            None => {}
        }
        let counted = self.containers.iter().filter(|c| matches!(c.role, Role::Main | Role::Sidecar));
        let names: Vec<&str> = counted.filter(|c| !c.ready()).map(|c| c.name.as_str()).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(("ContainersNotReady".to_owned(), format!("containers with unready status: [{}]", names.join(" "))))
    }

    /// Conditions that others must set before the pod is ready (KEP-580).
    fn gates(&self) -> Result<(), (String, String)> {
        let conditions = self.pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let mut wrong = Vec::new();
        for gate in self.spec().and_then(|s| s.readiness_gates.as_ref()).into_iter().flatten() {
            match conditions.iter().find(|c| c.type_ == gate.condition_type) {
                Some(c) if c.status == "True" => {}
                Some(c) => wrong.push(format!(
                    "the status of pod readiness gate \"{}\" is not \"True\", but {}",
                    c.type_, c.status
                )),
                None => wrong.push(format!(
                    "corresponding condition of pod readiness gate \"{}\" does not exist.",
                    gate.condition_type
                )),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(("ReadinessGatesNotReady".to_owned(), wrong.join(", "))) }
    }
}
