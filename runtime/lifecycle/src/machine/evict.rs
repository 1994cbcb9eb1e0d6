//! Eviction: the node runs short or shuts down, or the pod holds more than it may. It fails with the reason given.

use super::{Failure, PodMachine};
use crate::{backoff::later, eviction::EVICTED, shutdown::TERMINATED};
use jiff::SignedDuration;
use podium_types::Timestamp;
use serde_json::Value;

/// Whether a pod with this `pod.status.reason` was sent away by its node.
pub(super) fn leaves(reason: &str) -> bool {
    [EVICTED, TERMINATED].contains(&reason)
}

impl PodMachine {
    /// Ends the pod within its own grace, but `most` seconds at most. Who ends for another reason goes on with that.
    pub(super) fn evict(&mut self, reason: &str, message: String, most: i64, now: Timestamp) {
        if self.terminal.is_some() || self.failure.is_some() {
            return;
        }
        self.failure = Some(Failure { reason: reason.to_owned(), message });
        let by = later(now, SignedDuration::from_secs(self.grace().min(most.max(0))));
        self.evicted_by = Some(by);
        for stopping in self.containers.iter_mut().filter_map(|c| c.stopping.as_mut()) {
            stopping.kill_at = stopping.kill_at.min(by);
        }
    }

    /// When the last process must be gone: by deletion or by eviction, whichever is sooner.
    pub(super) fn end_by(&self) -> Option<Timestamp> {
        [self.deletion, self.evicted_by].into_iter().flatten().min()
    }

    /// Says that not the pod is to blame (KEP-3329).
    pub(super) fn disruption(&self, now: Timestamp) -> Option<Value> {
        let failure = self.failure.as_ref().filter(|failure| leaves(&failure.reason))?;
        let mut condition = self.condition("DisruptionTarget", Ok(()), now);
        condition["reason"] = "TerminationByKubelet".into();
        condition["message"] = failure.message.clone().into();
        Some(condition)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, ContainerEnd, Event, PodMachine};
    use super::*;
    use k8s_openapi::api::core::v1::{Pod, PodStatus};
    use serde_json::json;
    use std::sync::Arc;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn running() -> (PodMachine, Arc<Pod>) {
        let pod = json!({
            "metadata": { "name": "p", "namespace": "n", "uid": "u" },
            "spec": { "terminationGracePeriodSeconds": 60, "containers": [{ "name": "c", "image": "i" }] },
        });
        let pod: Arc<Pod> = Arc::new(serde_json::from_value(pod).expect("a pod"));
        let mut machine = PodMachine::new(pod.clone(), None, &[], None, Vec::new(), at(0));
        let name = "c".to_owned();
        machine.step(Event::Tick, at(0));
        machine.step(Event::Prepared(Vec::new()), at(0));
        machine.step(Event::Image { name: name.clone(), id: "i".to_owned() }, at(0));
        machine.step(Event::Started { name, attempt: 0, id: "1".to_owned(), at: at(1) }, at(1));
        (machine, pod)
    }

    fn published(actions: &[Action]) -> Value {
        let status = |action: &Action| match action {
            Action::Publish(status) => Some(status.clone()),
            _ => None,
        };
        actions.iter().filter_map(status).next_back().expect("a status")
    }

    fn evict(machine: &mut PodMachine, grace_seconds: i64) -> Vec<Action> {
        leave(machine, EVICTED, grace_seconds)
    }

    fn leave(machine: &mut PodMachine, reason: &'static str, grace_seconds: i64) -> Vec<Action> {
        machine.step(Event::Evict { reason, message: "low on memory".to_owned(), grace_seconds }, at(10))
    }

    #[test]
    fn the_pod_fails_as_evicted_within_the_grace_given() {
        let (mut machine, _) = running();
        let actions = evict(&mut machine, 1);
        assert!(actions.contains(&Action::Stop { name: "c".to_owned(), attempt: 0, grace_seconds: 1 }), "{actions:?}");
        let kills = machine.step(Event::Tick, at(11));
        assert!(kills.contains(&Action::Kill { name: "c".to_owned(), attempt: 0 }), "{kills:?}");
        let end = ContainerEnd {
            code: 137,
            signal: Some(9),
            reason: "Error".to_owned(),
            message: String::new(),
            finished_at: at(11),
        };
        let actions = machine.step(Event::Exited { name: "c".to_owned(), attempt: 0, end }, at(11));
        let status = published(&actions);
        assert_eq!(status["phase"], "Failed");
        assert_eq!(status["reason"], "Evicted");
        assert_eq!(status["message"], "low on memory");
        let conditions = status["conditions"].as_array().expect("conditions");
        let disruption = conditions.iter().find(|c| c["type"] == "DisruptionTarget").expect("a condition");
        assert_eq!(disruption["status"], "True");
        assert_eq!(disruption["reason"], "TerminationByKubelet");
        assert!(actions.contains(&Action::TearDown));
        assert!(evict(&mut machine, 0).is_empty(), "once is enough");
    }

    #[test]
    fn a_long_grace_is_the_pods_own() {
        let (mut machine, _) = running();
        let actions = evict(&mut machine, 3600);
        assert!(actions.contains(&Action::Stop { name: "c".to_owned(), attempt: 0, grace_seconds: 60 }), "{actions:?}");
    }

    #[test]
    fn a_new_life_goes_on_evicting() {
        for reason in [EVICTED, TERMINATED] {
            let (mut machine, pod) = running();
            let status = published(&leave(&mut machine, reason, 30));
            let status: PodStatus = serde_json::from_value(status).expect("a status");
            let mut again = PodMachine::new(pod, Some(&status), &[], None, Vec::new(), at(20));
            let actions = again.step(Event::Tick, at(20));
            assert!(!actions.iter().any(|a| matches!(a, Action::Start { .. } | Action::Prepare)), "{actions:?}");
            assert_eq!(published(&actions)["phase"], "Failed");
            assert_eq!(published(&actions)["reason"], reason);
        }
    }
}
