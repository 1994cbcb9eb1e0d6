//! Runs pods until enough of them have succeeded, and counts each of them exactly once.
//!
//! A finalizer keeps every pod until its end is in `status.uncountedTerminatedPods`; only then
//! it is taken off, and only once it is off the pod moves into the counters. So a crash
//! anywhere neither loses nor doubles a pod. `tally` does that, `verdict` says whether the Job
//! is over, `manning` makes and ends pods, `failure` and `indexes` are their vocabulary.

mod conditions;
mod failure;
mod indexes;
mod manning;
mod pacing;
mod tally;
mod ttl;
mod verdict;

pub use conditions::{COMPLETE, FAILED, end};
pub use indexes::Indexes;

use crate::{
    Controller, Ids, Plan, PlannedWrite, Refusal, View, owners, pods, refusal, resource, selector, time, view::Item,
    write,
};
use k8s_openapi::api::{
    batch::v1::{Job, JobSpec, JobStatus},
    core::v1::Pod,
};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// The finalizer of pods that are not yet counted.
pub const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// Label and annotation of a pod: its completion index.
pub const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const MANAGER: &str = "kubernetes.io/job-controller";
/// How many pods one decision creates or deletes at most; their events wake it again.
pub const BURST_LIMIT: usize = 500;

/// The controller of Jobs.
pub struct JobController;

impl Controller for JobController {
    fn name(&self) -> &'static str {
        "job"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::JOBS, resource::PODS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        if resource == resource::JOBS {
            return vec![key.clone()];
        }
        let mut keys = owners::keys_of_pod(view, resource::JOBS, event, view.jobs.of(&key.namespace), selects);
        // Pods of a Job that is gone still have to be let go.
        keys.extend(view.pods.get(key).and_then(|pod| bereft(view, pod)));
        keys
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        let bereft = view.pods.all().filter_map(|pod| bereft(view, pod));
        let keys: std::collections::BTreeSet<Key> =
            view.jobs.all().map(|job| job.key().clone()).chain(bereft).collect();
        keys.into_iter().collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, ids: &mut Ids) -> Plan {
        let Some(job) = view.jobs.get(key) else { return release(view, key) };
        let Some(spec) = &job.spec else { return Plan::default() };
        if spec.managed_by.as_deref().is_some_and(|manager| manager != MANAGER) {
            return Plan::default();
        }
        let mut plan = Plan::default();
        let own = Own::find(view, job, spec, &mut plan);
        if job.deleting() || end(job).is_some() {
            plan.writes.extend(own.pods.iter().filter(|pod| tracked(pod)).map(|pod| untrack(pod)));
            ttl::apply(job, spec, now, &mut plan);
            return plan;
        }
        let mut draft = Draft::new(view, job, spec, own.pods, now, plan);
        draft.act(ids);
        draft.finish()
    }
    fn refused(&self, view: &View, key: &Key, _now: Timestamp, refusals: &[Refusal]) -> Plan {
        let item = view.jobs.get(key).into_iter();
        let events = item.flat_map(|item| refusal::event(item, refusals, Refusal::message)).collect();
        Plan { events, ..Plan::default() }
    }
}

fn selects(job: &Job, labels: &selector::Labels) -> bool {
    let selector = job.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    selector.is_some_and(|selector| selector::matches(selector, labels))
}

/// The key of the Job of a pod that still has the finalizer, where that Job is gone.
fn bereft(view: &View, pod: &Item<Pod>) -> Option<Key> {
    let owner = owners::controller(pod.meta()).filter(|owner| owner.kind == "Job" && tracked(pod))?;
    view.by_uid(&owner.uid).is_none().then(|| Key::new(pod.key().namespace.as_str(), owner.name.as_str()))
}

/// Lets go of the pods of a Job that is gone.
fn release(view: &View, key: &Key) -> Plan {
    let bereft = view.pods.of(&key.namespace).filter(|pod| bereft(view, pod).as_ref() == Some(key));
    Plan { writes: bereft.map(|pod| untrack(pod)).collect(), ..Plan::default() }
}

/// Whether a pod has the finalizer.
fn tracked(pod: &Item<Pod>) -> bool {
    pod.meta().finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Has the write that adopts a pod give it the finalizer, too: an adopted pod is counted like any other.
fn track(pod: &Item<Pod>, writes: &mut [PlannedWrite]) {
    if tracked(pod) {
        return;
    }
    let mut finalizers = pod.meta().finalizers.clone().unwrap_or_default();
    finalizers.push(FINALIZER.to_owned());
    for write in writes {
        if let PlannedWrite::Patch { key, patch, .. } = write
            && key == pod.key()
        {
            patch["metadata"]["finalizers"] = json!(finalizers);
        }
    }
}

/// Takes the finalizer off a pod.
fn untrack(pod: &Item<Pod>) -> PlannedWrite {
    let others: Vec<_> = pod.meta().finalizers.iter().flatten().filter(|finalizer| *finalizer != FINALIZER).collect();
    write::patch(resource::PODS, "", pod, json!({"metadata": {"finalizers": others}}))
}

/// The pods of a Job.
struct Own<'a> {
    pods: Vec<&'a Arc<Item<Pod>>>,
}

impl<'a> Own<'a> {
    fn find(view: &'a View, job: &Item<Job>, spec: &JobSpec, plan: &mut Plan) -> Self {
        let Some(selector) = &spec.selector else { return Self { pods: view.pods_of(job.uid()).collect() } };
        let candidates = view.claimable(&job.key().namespace, job.uid());
        let (pods, mut writes) = owners::claim(job, selector, resource::PODS, candidates);
        for pod in pods.iter().filter(|pod| owners::controller(pod.meta()).is_none()) {
            track(pod, &mut writes);
        }
        plan.writes = writes;
        // What is released must not be kept by the finalizer; the owner goes in the next decision.
        let lost =
            view.pods_of(job.uid()).filter(|pod| tracked(pod) && !selector::matches(selector, &pod.object.labels));
        let lost: Vec<_> = lost.map(|pod| untrack(pod)).collect();
        if !lost.is_empty() {
            plan.writes = lost;
        }
        Self { pods }
    }
}

/// A decision in the making.
struct Draft<'a> {
    view: &'a View,
    job: &'a Item<Job>,
    spec: &'a JobSpec,
    pods: Vec<&'a Arc<Item<Pod>>>,
    /// The status as it will be.
    status: JobStatus,
    /// Indexes that are done.
    completed: Indexes,
    /// Indexes that have failed for good.
    failed: Indexes,
    /// Failed pods that count and are in no counter yet.
    fresh: i32,
    now: Timestamp,
    plan: Plan,
    /// Pods whose finalizer goes once the status is written, by key.
    let_go: BTreeMap<Key, &'a Arc<Item<Pod>>>,
    /// Writes that follow.
    last: Vec<PlannedWrite>,
}

impl<'a> Draft<'a> {
    fn new(
        view: &'a View,
        job: &'a Item<Job>,
        spec: &'a JobSpec,
        pods: Vec<&'a Arc<Item<Pod>>>,
        now: Timestamp,
        plan: Plan,
    ) -> Self {
        let status = job.status.clone().unwrap_or_default();
        let end = spec.completions.unwrap_or(0);
        let read = |text: &Option<String>| Indexes::parse(text.as_deref().unwrap_or_default(), end);
        let (completed, failed) = (read(&status.completed_indexes), read(&status.failed_indexes));
        let (let_go, last) = (BTreeMap::new(), Vec::new());
        Self { view, job, spec, pods, status, completed, failed, fresh: 0, now, plan, let_go, last }
    }

    fn act(&mut self, ids: &mut Ids) {
        self.begin();
        self.tally(false);
        let verdict = self.verdict();
        if let Some(verdict) = verdict {
            self.conclude(&verdict);
            return;
        }
        self.pause();
        if self.suspended() {
            self.dismiss_all();
        } else {
            self.man(ids);
        }
    }

    /// Notes when the Job began, or begins again.
    fn begin(&mut self) {
        if self.status.start_time.is_none() && !self.suspended() {
            self.status.start_time = Some(time::stamp(self.now));
        }
    }

    fn suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    fn indexed(&self) -> bool {
        self.spec.completion_mode.as_deref() == Some("Indexed")
    }

    /// Whether a pod is replaced only once it has failed, not while it terminates.
    fn only_failed(&self) -> bool {
        let policy = self.spec.pod_replacement_policy.as_deref();
        policy == Some("Failed") || (policy.is_none() && self.spec.pod_failure_policy.is_some())
    }

    /// Whether a pod has failed; one that is being deleted counts as such where it may be replaced.
    fn has_failed(&self, pod: &Item<Pod>) -> bool {
        let phase = pods::phase(pod);
        phase == "Failed" || (!self.only_failed() && pod.deleting() && phase != "Succeeded")
    }

    fn active(&self) -> impl Iterator<Item = &'a Arc<Item<Pod>>> {
        self.pods.iter().copied().filter(|pod| pods::active(pod))
    }

    fn terminating(&self) -> usize {
        self.pods.iter().filter(|pod| pod.deleting() && !pods::terminal(pod)).count()
    }

    /// How many pods, or indexes, have succeeded.
    fn succeeded(&self) -> i32 {
        self.status.succeeded.unwrap_or(0)
            + self.status.uncounted_terminated_pods.as_ref().map_or(0, |u| length(u.succeeded.as_ref()))
    }

    fn event(&mut self, event_type: &'static str, reason: &'static str, message: String) {
        self.plan.events.push(write::event(self.job, event_type, reason, message));
    }

    /// Puts the writes in the order that makes counting exact: status, finalizers, pods.
    fn finish(mut self) -> Plan {
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        self.status.active = Some(number(self.active().count())).filter(|count| *count != 0);
        self.status.ready = Some(number(self.active().filter(|pod| pods::ready(pod)).count()));
        self.status.terminating = Some(number(self.terminating()));
        if self.indexed() {
            self.status.completed_indexes = Some(self.completed.to_string()).filter(|text| !text.is_empty());
            if self.spec.backoff_limit_per_index.is_some() {
                self.status.failed_indexes = Some(self.failed.to_string());
            }
        }
        self.status.uncounted_terminated_pods.get_or_insert_default();
        let current = self.job.status.as_ref();
        self.plan.writes.extend(write::status(resource::JOBS, self.job, current, &self.status));
        self.plan.writes.extend(self.let_go.values().map(|pod| untrack(pod)));
        self.plan.writes.append(&mut self.last);
        self.plan
    }
}

fn length(list: Option<&Vec<String>>) -> i32 {
    list.map_or(0, |list| i32::try_from(list.len()).unwrap_or(i32::MAX))
}

/// The completion index of a pod.
fn index(pod: &Item<Pod>) -> Option<i32> {
    let noted = pod.meta().annotations.as_ref().and_then(|map| map.get(INDEX));
    noted.or_else(|| pod.object.labels.get(INDEX))?.parse().ok().filter(|index| *index >= 0)
}

/// A number that an annotation of a pod holds.
fn noted(pod: &Item<Pod>, annotation: &str) -> i32 {
    let text = pod.meta().annotations.as_ref().and_then(|map| map.get(annotation));
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The template of a Job's pods as JSON.
fn template(job: &Item<Job>) -> Value {
    job.object.value()["spec"]["template"].take()
}
