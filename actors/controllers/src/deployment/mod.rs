//! Rolls a Deployment's pods from one template to the next by scaling ReplicaSets.
//!
//! `sets` finds the ReplicaSets, `rollout` and `scale` move replicas between them,
//! `status` reports. Deliberately absent: `spec.rollbackTo`, which left the API with
//! extensions/v1beta1; `kubectl rollout undo` patches the template instead.

mod annotations;
mod birth;
mod bounds;
mod cleanup;
mod conditions;
mod rollout;
mod scale;
mod sets;
mod status;

use crate::{
    Controller, Ids, Plan, PlannedWrite, Refusal, View, owners, refusal, resource, selector, view::Item, write,
};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use sets::Sets;

/// The controller of Deployments.
pub struct DeploymentController;

impl Controller for DeploymentController {
    fn name(&self) -> &'static str {
        "deployment"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::DEPLOYMENTS, resource::REPLICA_SETS, resource::PODS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        match resource {
            resource::DEPLOYMENTS => vec![event.object.key.clone()],
            resource::REPLICA_SETS => {
                let all = view.deployments.of(&event.object.key.namespace);
                owners::keys_of_event(view, resource::DEPLOYMENTS, event, all, |d: &Deployment, labels| {
                    d.spec.as_ref().is_some_and(|spec| selector::matches(&spec.selector, labels))
                })
            }
            // Only Recreate waits for pods to go.
            resource::PODS => sets::recreating(view, event),
            _ => Vec::new(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.deployments.all().map(|deployment| deployment.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(deployment) = view.deployments.get(key) else { return Plan::default() };
        let Some(spec) = &deployment.spec else { return Plan::default() };
        let (sets, writes) = Sets::find(view, deployment, spec);
        let mut draft = Draft::new(deployment, spec, sets);
        draft.plan.writes = writes;
        if !deployment.deleting() {
            draft.act(view);
        }
        draft.finish(now)
    }
    fn refused(&self, view: &View, key: &Key, now: Timestamp, refusals: &[Refusal]) -> Plan {
        let mut plan = Plan::default();
        let Some(deployment) = view.deployments.get(key) else { return plan };
        let Some((refusal, "FailedCreate")) = refusal::news(refusals) else { return plan };
        let mut status = deployment.status.clone().unwrap_or_default();
        let message = format!("Failed to create new replica set {:?}: {}", refusal.key.name, refusal.error.message);
        let list = status.conditions.get_or_insert_default();
        conditions::set(list, conditions::make("Progressing", "False", SET_REFUSED, &message, now));
        let current = deployment.status.as_ref();
        plan.writes.extend(write::status(resource::DEPLOYMENTS, deployment, current, &status));
        plan.events.push(write::event(deployment, "Warning", SET_REFUSED, message));
        plan
    }
}

/// Reason where the server would not make a ReplicaSet.
const SET_REFUSED: &str = "ReplicaSetCreateError";

/// A decision in the making: the ReplicaSets as they will be, and what is planned.
struct Draft<'a> {
    deployment: &'a Item<Deployment>,
    spec: &'a DeploymentSpec,
    sets: Sets<'a>,
    plan: Plan,
    /// Annotations that the deployment is to get.
    annotations: Value,
    /// The new ReplicaSet was made or taken up by this decision: its reason and message.
    news: Option<(&'static str, String)>,
    /// The hash of the template collided with a foreign ReplicaSet.
    collided: bool,
}

impl<'a> Draft<'a> {
    fn new(deployment: &'a Item<Deployment>, spec: &'a DeploymentSpec, sets: Sets<'a>) -> Self {
        let plan = Plan::default();
        Self { deployment, spec, sets, plan, annotations: json!({}), news: None, collided: false }
    }

    /// `spec.replicas`.
    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1).max(0)
    }

    fn recreates(&self) -> bool {
        let strategy = self.spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
        strategy == Some("Recreate")
    }

    fn act(&mut self, view: &View) {
        let paused = self.spec.paused == Some(true);
        let resized = self.sets.resized(self.replicas());
        if paused || resized {
            self.take_up();
            self.scale();
            if paused {
                self.clean_up();
            }
        } else if self.recreates() {
            self.recreate(view);
        } else {
            self.roll(view);
        }
    }

    /// Adds the deployment's own writes: annotations and status.
    fn finish(mut self, now: Timestamp) -> Plan {
        let (status, wake_at) = self.status(now);
        self.plan.wake_at = wake_at;
        let resource = resource::DEPLOYMENTS;
        let annotate = self.annotations.as_object().is_some_and(|map| !map.is_empty());
        if annotate {
            let patch = json!({"metadata": {"annotations": self.annotations}});
            self.plan.writes.push(write::patch(resource, "", self.deployment, patch));
        }
        let current = self.deployment.status.as_ref();
        if let Some(mut write) = write::status(resource, self.deployment, current, &status) {
            // The patch above moves the revision, so only the uid can be asked for here.
            if let (true, PlannedWrite::Patch { revision, .. }) = (annotate, &mut write) {
                *revision = None;
            }
            self.plan.writes.push(write);
        }
        self.plan
    }
}
