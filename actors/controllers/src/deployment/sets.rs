//! The ReplicaSets of a Deployment: the one with its template, and the old ones.

use super::annotations;
use crate::{PlannedWrite, View, owners, resource, view::Item};
use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentSpec, ReplicaSet},
    core::v1::PodTemplateSpec,
};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use std::sync::Arc;

/// Label that tells the pods of one template from those of another.
pub const HASH_LABEL: &str = "pod-template-hash";

/// A ReplicaSet and how many replicas it is to have after this decision.
#[derive(Clone)]
pub struct Member<'a> {
    /// As seen.
    pub set: &'a Arc<Item<ReplicaSet>>,
    /// `spec.replicas`, as decided so far.
    pub replicas: i32,
}

impl Member<'_> {
    /// `status.replicas`.
    pub fn actual(&self) -> i32 {
        self.set.status.as_ref().map_or(0, |status| status.replicas)
    }
    /// `status.availableReplicas`.
    pub fn available(&self) -> i32 {
        self.set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
    }
    /// Available replicas that stay once the set has been scaled: its status may be older
    /// than its spec, and counting replicas about to go would take too many.
    pub fn lasting(&self) -> i32 {
        self.available().min(self.replicas)
    }
    /// When it was made.
    pub fn created(&self) -> Option<Timestamp> {
        self.set.meta().creation_timestamp.as_ref().map(|time| time.0)
    }
    fn age(&self) -> (Option<Timestamp>, &str) {
        (self.created(), &self.set.key().name)
    }
}

/// What a Deployment owns.
#[derive(Clone, Default)]
pub struct Sets<'a> {
    /// The one with the Deployment's present template.
    pub new: Option<Member<'a>>,
    /// The others, oldest first.
    pub old: Vec<Member<'a>>,
}

impl<'a> Sets<'a> {
    /// Claims the ReplicaSets of a deployment; the writes adopt and release.
    pub fn find(view: &'a View, deployment: &'a Item<Deployment>, spec: &DeploymentSpec) -> (Self, Vec<PlannedWrite>) {
        let candidates = view.claimable_sets(&deployment.key().namespace, deployment.uid());
        let (owned, writes) = owners::claim(deployment, &spec.selector, resource::REPLICA_SETS, candidates);
        let mut all: Vec<_> = owned
            .into_iter()
            .map(|set| Member { set, replicas: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) })
            .collect();
        all.sort_by(|a, b| a.age().cmp(&b.age()));
        // Of several with the same template the oldest is the new one, as in Kubernetes.
        let at = all.iter().position(|member| same_template(member.set, &spec.template));
        let new = at.map(|at| all.remove(at));
        (Self { new, old: all }, writes)
    }
    /// All of them, the new one last.
    pub fn all(&self) -> impl Iterator<Item = &Member<'a>> {
        self.old.iter().chain(&self.new)
    }
    /// All of them, to be changed.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Member<'a>> {
        self.old.iter_mut().chain(&mut self.new)
    }
    /// Replicas of all sets together, as decided so far.
    pub fn total(&self) -> i32 {
        self.all().map(|member| member.replicas).sum()
    }
    /// The highest revision among the old sets.
    pub fn last_revision(&self) -> i64 {
        self.old.iter().map(|member| annotations::revision(member.set)).max().unwrap_or(0)
    }
    /// Whether the Deployment was scaled since its active sets were last scaled.
    pub fn resized(&self, replicas: i32) -> bool {
        let mut active = self.all().filter(|member| member.replicas > 0);
        active.any(|member| annotations::desired(member.set).is_some_and(|desired| desired != replicas))
    }
}

/// Whether a set's template is `template`, the hash label apart.
pub fn same_template(set: &ReplicaSet, template: &PodTemplateSpec) -> bool {
    let Some(own) = set.spec.as_ref().and_then(|spec| spec.template.as_ref()) else { return false };
    plain(own) == plain(template)
}

fn plain(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(meta) = &mut template.metadata {
        if let Some(labels) = &mut meta.labels {
            labels.remove(HASH_LABEL);
        }
        // Absent and empty mean the same.
        meta.labels = meta.labels.take().filter(|labels| !labels.is_empty());
        meta.annotations = meta.annotations.take().filter(|annotations| !annotations.is_empty());
        meta.creation_timestamp = None;
    }
    template
}

/// The Deployments with strategy Recreate that an event about a pod concerns.
pub fn recreating(view: &View, event: &Event) -> Vec<Key> {
    let folded = view.pods.get(&event.object.key).or_else(|| view.replaced(event));
    let set = folded
        .and_then(|pod| view.by_uid(&owners::controller(pod.meta())?.uid))
        .and_then(|header| view.replica_sets.get(header.key()));
    let owner = set.and_then(|set| view.by_uid(&owners::controller(set.meta())?.uid));
    let deployment = owner.and_then(|owner| view.deployments.get(owner.key()));
    let recreates = |d: &&Arc<Item<Deployment>>| {
        let strategy = d.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
        strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
    };
    deployment.filter(recreates).map(|d| d.key().clone()).into_iter().collect()
}
