//! Makes the pods that a Job lacks and ends those it has too many of.

use super::{BURST_LIMIT, Draft, FINALIZER, INDEX, conditions, failure, failure::Effect, index, noted, tally, tracked};
use crate::{Ids, pods, replicaset, resource, template, time, view::Item, write};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

impl<'a> Draft<'a> {
    /// Notes that the Job was suspended or goes on.
    pub(super) fn pause(&mut self) {
        let mut list = self.status.conditions.take().unwrap_or_default();
        if self.suspended() {
            let state = (conditions::SUSPENDED, "True");
            if conditions::set(&mut list, state, "JobSuspended", "Job suspended", self.now) {
                self.event("Normal", "Suspended", "Job suspended".to_owned());
            }
        } else if conditions::find(&list, conditions::SUSPENDED).is_some() {
            let state = (conditions::SUSPENDED, "False");
            if conditions::set(&mut list, state, "JobResumed", "Job resumed", self.now) {
                self.event("Normal", "Resumed", "Job resumed".to_owned());
                // The deadline counts from here.
                self.status.start_time = Some(time::stamp(self.now));
            }
        }
        self.status.conditions = Some(list).filter(|list| !list.is_empty());
    }

    /// Ends all pods of a suspended Job; they do not count as failed.
    pub(super) fn dismiss_all(&mut self) {
        let active: Vec<_> = self.active().collect();
        active.into_iter().for_each(|pod| self.dismiss(pod));
    }

    fn dismiss(&mut self, pod: &'a Arc<Item<Pod>>) {
        if self.last.len() >= BURST_LIMIT {
            self.plan.wake_at = Some(self.now);
            return;
        }
        self.let_go.extend(tracked(pod).then(|| (pod.key().clone(), pod)));
        self.last.push(write::delete(resource::PODS, pod));
        self.event("Normal", "SuccessfulDelete", format!("Deleted pod: {}", pod.key().name));
    }

    /// How many pods may be at work.
    fn wanted(&self) -> usize {
        let parallelism = self.spec.parallelism.unwrap_or(1).max(0);
        let wanted = match self.spec.completions {
            Some(completions) => (completions - self.succeeded() - self.failed.len()).max(0).min(parallelism),
            // Once one has found the queue empty, no more are made.
            None if self.succeeded() > 0 => i32::try_from(self.active().count()).unwrap_or(0).min(parallelism),
            None => parallelism,
        };
        usize::try_from(wanted).unwrap_or(0)
    }

    /// Makes or ends pods until as many are at work as may be.
    pub(super) fn man(&mut self, ids: &mut Ids) {
        let wanted = self.wanted();
        let surplus = self.surplus(wanted);
        if !surplus.is_empty() {
            self.plan.note = format!("{wanted} pods may work: ending {}", surplus.len());
            surplus.into_iter().for_each(|pod| self.dismiss(pod));
            return;
        }
        let mut present = self.active().count();
        if self.only_failed() {
            present += self.terminating();
        }
        let count = wanted.saturating_sub(present).min(BURST_LIMIT);
        if count == 0 {
            return;
        }
        if self.spec.backoff_limit_per_index.is_none()
            && let Some(until) = self.pause_of_all().filter(|until| *until > self.now)
        {
            self.plan.wake_at = time::earliest(self.plan.wake_at, Some(until));
            self.plan.note = format!("waits until {until} after a failure");
            return;
        }
        let before = self.last.len();
        if self.indexed() {
            self.make_indexed(count, ids);
        } else {
            let prefix = format!("{}-", self.job.key().name);
            let template = super::template(self.job);
            for _ in 0..count {
                let pod = template::numbered(self.job, &template, &prefix, &ids.suffix());
                self.make(pod);
            }
        }
        self.plan.note = format!("{present} of {wanted} pods: creating {}", self.last.len() - before);
        if wanted - present > BURST_LIMIT {
            self.plan.wake_at = Some(self.now);
        }
    }

    /// Pods to end: second ones of an index, those of indexes that are over, and the least useful beyond the number.
    fn surplus(&self, wanted: usize) -> Vec<&'a Arc<Item<Pod>>> {
        let active: Vec<_> = self.active().collect();
        let ranked = replicaset::first_to_go(self.view, self.job, &active, self.now);
        let (mut surplus, mut useful) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        // The most useful pod of an index is the one that stays.
        for pod in ranked.into_iter().rev() {
            let open = |index: i32| {
                index < self.spec.completions.unwrap_or(0)
                    && !self.completed.contains(index)
                    && !self.failed.contains(index)
            };
            let fits = !self.indexed() || index(pod).is_some_and(|index| open(index) && seen.insert(index));
            if fits { useful.push(pod) } else { surplus.push(pod) }
        }
        surplus.extend(useful.into_iter().skip(wanted));
        surplus
    }

    fn make_indexed(&mut self, count: usize, ids: &mut Ids) {
        let busy = |pod: &&&Arc<Item<Pod>>| pods::active(pod) || (self.only_failed() && !pods::terminal(pod));
        let taken: BTreeSet<i32> = self.pods.iter().filter(busy).filter_map(|pod| index(pod)).collect();
        let failures = self.last_failures();
        let per_index = self.spec.backoff_limit_per_index.is_some();
        let template = super::template(self.job);
        let (mut made, mut waits) = (0, None);
        for index in 0..self.spec.completions.unwrap_or(0) {
            if made == count {
                break;
            }
            if taken.contains(&index) || self.completed.contains(index) || self.failed.contains(index) {
                continue;
            }
            let last = failures.get(&index).copied().filter(|_| per_index);
            let until = last.and_then(|pod| self.pause_of_index(pod)).filter(|until| *until > self.now);
            if until.is_some() {
                waits = time::earliest(waits, until);
                continue;
            }
            let pod = self.indexed_pod(index, &template, last, ids);
            self.make(pod);
            made += 1;
        }
        self.plan.wake_at = time::earliest(self.plan.wake_at, waits);
    }

    fn indexed_pod(&self, index: i32, template: &Value, last: Option<&Arc<Item<Pod>>>, ids: &mut Ids) -> Value {
        let name = &self.job.key().name;
        let prefix = format!("{name}-{index}-");
        let mut pod = template::numbered(self.job, template, &prefix, &ids.suffix());
        for field in ["labels", "annotations"] {
            template::mark(&mut pod, field, INDEX, index.to_string());
        }
        if self.spec.backoff_limit_per_index.is_some() {
            let ignored = last.is_some_and(|pod| failure::effect(self.spec, pod) == Effect::Ignore);
            let counts = [(tally::FAILURES, !ignored), (tally::IGNORED, ignored)];
            for (annotation, more) in counts {
                let count = last.map_or(0, |pod| noted(pod, annotation) + i32::from(more));
                if count > 0 || annotation == tally::FAILURES {
                    template::mark(&mut pod, "annotations", annotation, count.to_string());
                }
            }
        }
        pod["spec"]["hostname"] = json!(format!("{name}-{index}"));
        for list in ["containers", "initContainers"] {
            for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
                tell_index(container);
            }
        }
        pod
    }

    /// Plans a pod, with the finalizer that keeps it until it is counted.
    fn make(&mut self, mut pod: Value) {
        let metadata = podium_types::meta::metadata_mut(&mut pod);
        let mut finalizers = metadata.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
        finalizers.push(json!(FINALIZER));
        metadata.insert("finalizers".to_owned(), json!(finalizers));
        let name = podium_types::meta::name(&pod).to_owned();
        self.last.push(write::create(resource::PODS, pod));
        self.event("Normal", "SuccessfulCreate", format!("Created pod: {name}"));
    }
}

/// Gives a container the index in its environment, unless it has a variable of that name.
fn tell_index(container: &mut Value) {
    const VARIABLE: &str = "JOB_COMPLETION_INDEX";
    let mut env = container["env"].as_array().cloned().unwrap_or_default();
    if env.iter().any(|variable| variable["name"] == VARIABLE) {
        return;
    }
    let path = format!("metadata.labels['{INDEX}']");
    env.push(json!({"name": VARIABLE, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}));
    container["env"] = json!(env);
}
