//! What ReplicaSets and ReplicationControllers have in common.

use super::status::{Counts, FAILURE, Failure};
use crate::{
    resource,
    selector::Labels,
    view::{Shelf, Typed, View},
};
use k8s_openapi::{
    Resource,
    api::{
        apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus},
        core::v1::{
            PodTemplateSpec, ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus,
        },
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use serde::Serialize;
use std::borrow::Cow;

/// A kind that asks for a number of pods of one template.
pub trait Replicated: Typed + Resource {
    /// Storage name of the kind.
    const RESOURCE: &'static str;
    /// Its status.
    type Status: Serialize;
    /// Where the view keeps it.
    fn shelf(view: &View) -> &Shelf<Self>;
    /// Which pods are its own.
    fn selector(&self) -> Option<Cow<'_, LabelSelector>>;
    /// How many pods it wants.
    fn replicas(&self) -> i32;
    /// How long a pod must have been ready to be available.
    fn min_ready_seconds(&self) -> i32;
    /// The template of its pods.
    fn template(&self) -> Option<&PodTemplateSpec>;
    /// Its status as seen.
    fn status(&self) -> Option<&Self::Status>;
    /// The status that these numbers make.
    fn report(&self, counts: &Counts) -> Self::Status;
    /// Why its status says that pods could not be made or deleted, where it does.
    fn failure(&self) -> Option<Failure>;
    /// Says in a status that pods could not be made or deleted, unless it says so already.
    fn fail(status: &mut Self::Status, failure: &Failure);
    /// The labels of its pods.
    fn template_labels(&self) -> Option<&Labels> {
        self.template()?.metadata.as_ref()?.labels.as_ref()
    }
}

impl Replicated for ReplicaSet {
    const RESOURCE: &'static str = resource::REPLICA_SETS;
    type Status = ReplicaSetStatus;
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.replica_sets
    }
    fn selector(&self) -> Option<Cow<'_, LabelSelector>> {
        self.spec.as_ref().map(|spec| Cow::Borrowed(&spec.selector))
    }
    fn replicas(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }
    fn min_ready_seconds(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0)
    }
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref()?.template.as_ref()
    }
    fn status(&self) -> Option<&ReplicaSetStatus> {
        self.status.as_ref()
    }
    fn report(&self, counts: &Counts) -> ReplicaSetStatus {
        ReplicaSetStatus {
            replicas: counts.replicas,
            fully_labeled_replicas: counts.labelled,
            ready_replicas: counts.ready,
            available_replicas: counts.available,
            terminating_replicas: counts.terminating,
            observed_generation: self.metadata.generation,
            conditions: others(self.status.as_ref().and_then(|status| status.conditions.clone()), |c| &c.type_),
        }
    }
    fn failure(&self) -> Option<Failure> {
        let found = self.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == FAILURE)?.clone();
        Some(Failure::told(found.reason, found.message, found.last_transition_time))
    }
    fn fail(status: &mut ReplicaSetStatus, failure: &Failure) {
        status.conditions.get_or_insert_default().push(ReplicaSetCondition {
            type_: FAILURE.to_owned(),
            status: "True".to_owned(),
            reason: Some(failure.reason.clone()),
            message: Some(failure.message.clone()),
            last_transition_time: failure.since.clone(),
        });
    }
}

impl Replicated for ReplicationController {
    const RESOURCE: &'static str = resource::REPLICATION_CONTROLLERS;
    type Status = ReplicationControllerStatus;
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.replication_controllers
    }
    fn selector(&self) -> Option<Cow<'_, LabelSelector>> {
        let own = self.spec.as_ref()?.selector.clone().filter(|labels| !labels.is_empty());
        // Defaulting copies the template's labels; an object stored without them means the same.
        let labels = own.or_else(|| self.template_labels().cloned());
        Some(Cow::Owned(LabelSelector { match_labels: labels, ..LabelSelector::default() }))
    }
    fn replicas(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }
    fn min_ready_seconds(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0)
    }
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref()?.template.as_ref()
    }
    fn status(&self) -> Option<&ReplicationControllerStatus> {
        self.status.as_ref()
    }
    fn report(&self, counts: &Counts) -> ReplicationControllerStatus {
        ReplicationControllerStatus {
            replicas: counts.replicas,
            fully_labeled_replicas: counts.labelled,
            ready_replicas: counts.ready,
            available_replicas: counts.available,
            observed_generation: self.metadata.generation,
            conditions: others(self.status.as_ref().and_then(|status| status.conditions.clone()), |c| &c.type_),
        }
    }
    fn failure(&self) -> Option<Failure> {
        let found = self.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == FAILURE)?.clone();
        Some(Failure::told(found.reason, found.message, found.last_transition_time))
    }
    fn fail(status: &mut ReplicationControllerStatus, failure: &Failure) {
        status.conditions.get_or_insert_default().push(ReplicationControllerCondition {
            type_: FAILURE.to_owned(),
            status: "True".to_owned(),
            reason: Some(failure.reason.clone()),
            message: Some(failure.message.clone()),
            last_transition_time: failure.since.clone(),
        });
    }
}

/// Conditions that others have set; `None` where there are none.
fn others<C>(list: Option<Vec<C>>, kind: impl Fn(&C) -> &String) -> Option<Vec<C>> {
    let mut list = list?;
    list.retain(|condition| kind(condition) != FAILURE);
    Some(list).filter(|list| !list.is_empty())
}
