//! Keeps numbered pods with stable names and volumes, one after the other or all at once.
//!
//! `identity` says what the pod of an ordinal looks like, `claims` what volumes it has,
//! `rollout` which pod goes next, `status` reports. The pod of an ordinal has one name, so
//! the server itself refuses a second one.

mod claims;
mod identity;
mod rollout;
mod status;

use crate::{
    Controller, Ids, Plan, Refusal, Verb, View, history::History, owners, pods, refusal, resource, selector, template,
    time, view::Item, write,
};
use k8s_openapi::api::{
    apps::v1::{StatefulSet, StatefulSetSpec},
    core::v1::Pod,
};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use std::{collections::BTreeMap, sync::Arc};

/// How many pods one decision creates or deletes at most; their events wake it again.
pub const BURST_LIMIT: usize = 500;

/// The controller of StatefulSets.
pub struct StatefulSetController;

impl Controller for StatefulSetController {
    fn name(&self) -> &'static str {
        "statefulset"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::STATEFUL_SETS, resource::PODS, resource::CLAIMS, resource::CONTROLLER_REVISIONS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        let sets = view.stateful_sets.of(&key.namespace);
        let selects = |set: &StatefulSet, labels: &selector::Labels| {
            set.spec.as_ref().is_some_and(|spec| selector::matches(&spec.selector, labels))
        };
        match resource {
            resource::STATEFUL_SETS => vec![key.clone()],
            resource::PODS => {
                let mut keys = owners::keys_of_pod(view, resource::STATEFUL_SETS, event, sets, selects);
                // A stranger may hold the name that an ordinal needs.
                let named = identity::parent(&key.name).map(|(name, _)| Key::new(key.namespace.as_str(), name));
                let held = view.pods.get(key).is_none();
                keys.extend(named.filter(|named| held && view.stateful_sets.get(named).is_some()));
                keys
            }
            resource::CLAIMS => {
                let labels = &event.object.labels;
                sets.filter(|set| selects(set, labels)).map(|set| set.key().clone()).collect()
            }
            _ => owners::keys_of_event(view, resource::STATEFUL_SETS, event, sets, selects),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.stateful_sets.all().map(|set| set.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(set) = view.stateful_sets.get(key) else { return Plan::default() };
        let Some(spec) = &set.spec else { return Plan::default() };
        let mut plan = Plan::default();
        let members = view.claimable(&key.namespace, set.uid());
        let members = members.filter(|pod| identity::ordinal(&key.name, &pod.key().name).is_some());
        let (owned, writes) = owners::claim(set, &spec.selector, resource::PODS, members);
        plan.writes = writes;
        let collisions = set.status.as_ref().and_then(|status| status.collision_count);
        let history = History::find(view, set, &spec.selector, collisions, &mut plan);
        let mut draft = Draft::new(view, set, spec, history, &owned, now, plan);
        if !set.deleting() && !draft.history.collided {
            draft.act();
        }
        draft.finish(&owned)
    }
    fn refused(&self, view: &View, key: &Key, _now: Timestamp, refusals: &[Refusal]) -> Plan {
        let item = view.stateful_sets.get(key).into_iter();
        let events = item.flat_map(|item| refusal::event(item, refusals, |refusal| story(key, refusal))).collect();
        Plan { events, ..Plan::default() }
    }
}

/// What people are told of a pod or claim that the server would not make or delete.
fn story(set: &Key, refusal: &Refusal) -> String {
    let verb = if refusal.verb == Verb::Delete { "delete" } else { "create" };
    let kind = if refusal.resource == resource::CLAIMS { "Claim" } else { "Pod" };
    format!("{verb} {kind} {} in StatefulSet {} failed error: {}", refusal.key.name, set.name, refusal.error.message)
}

/// A place for a pod.
#[derive(Clone, Copy)]
struct Slot<'a> {
    ordinal: i32,
    pod: Option<&'a Arc<Item<Pod>>>,
}

/// A decision in the making.
struct Draft<'a> {
    view: &'a View,
    set: &'a Item<StatefulSet>,
    spec: &'a StatefulSetSpec,
    history: History<'a>,
    /// Name of the revision that is being left.
    current: String,
    /// The places that there are to be, lowest first.
    slots: Vec<Slot<'a>>,
    /// Pods beyond them, highest first.
    condemned: Vec<Slot<'a>>,
    now: Timestamp,
    plan: Plan,
    /// Pods created or deleted by this plan.
    moved: usize,
}

impl<'a> Draft<'a> {
    fn new(
        view: &'a View,
        set: &'a Item<StatefulSet>,
        spec: &'a StatefulSetSpec,
        history: History<'a>,
        owned: &[&'a Arc<Item<Pod>>],
        now: Timestamp,
        plan: Plan,
    ) -> Self {
        let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0);
        let end = start.saturating_add(spec.replicas.unwrap_or(1).max(0));
        let own = owned.iter().filter_map(|pod| Some((identity::ordinal(&set.key().name, &pod.key().name)?, *pod)));
        let mut own: BTreeMap<i32, &Arc<Item<Pod>>> = own.collect();
        let slots = (start..end).map(|ordinal| Slot { ordinal, pod: own.remove(&ordinal) }).collect();
        let condemned = own.into_iter().rev().map(|(ordinal, pod)| Slot { ordinal, pod: Some(pod) }).collect();
        let noted = set.status.as_ref().and_then(|status| status.current_revision.clone());
        let current = noted.filter(|name| history.has(name)).unwrap_or_else(|| history.update.clone());
        Self { view, set, spec, history, current, slots, condemned, now, plan, moved: 0 }
    }

    /// Whether pods come and go one after the other.
    fn ordered(&self) -> bool {
        self.spec.pod_management_policy.as_deref() != Some("Parallel")
    }

    fn min_ready(&self) -> i32 {
        self.spec.min_ready_seconds.unwrap_or(0)
    }

    /// Whether a pod runs, is ready and stays.
    fn healthy(pod: &Item<Pod>) -> bool {
        pods::active(pod) && pods::phase(pod) == "Running" && pods::ready(pod)
    }

    /// Whether it has been so for `minReadySeconds`.
    fn available(&self, pod: &Item<Pod>) -> bool {
        Self::healthy(pod) && pods::available_at(pod, self.min_ready()).is_some_and(|at| at <= self.now)
    }

    fn act(&mut self) {
        let ordered = self.ordered();
        for slot in self.slots.clone() {
            if self.tend(slot) && ordered {
                return;
            }
        }
        if self.shrink() {
            return;
        }
        self.roll();
    }

    /// Makes the pod of a place what it must be; whether the next place has to wait.
    fn tend(&mut self, slot: Slot<'a>) -> bool {
        let Some(pod) = slot.pod else {
            self.create(slot.ordinal);
            return true;
        };
        if pods::terminal(pod) {
            // The next decision makes another once this one is gone.
            if !pod.deleting() {
                self.delete(pod);
            }
            return true;
        }
        if pods::phase(pod) == "Pending" && !pod.deleting() {
            self.provide_claims(slot.ordinal);
        }
        if !self.available(pod) {
            return true;
        }
        self.correct(slot.ordinal, pod);
        false
    }

    fn create(&mut self, ordinal: i32) {
        if self.moved >= BURST_LIMIT {
            self.plan.wake_at = Some(self.now);
            return;
        }
        let name = identity::name(&self.set.key().name, ordinal);
        let taken = self.view.pods.get(&Key::new(self.set.key().namespace.as_str(), name.as_str()));
        if taken.is_some() || !self.provide_claims(ordinal) {
            let why = if taken.is_some() { "its name is taken" } else { "an old volume claim is on its way out" };
            self.plan.note = format!("pod {name} has to wait: {why}");
            return;
        }
        let raw = self.set.object.value();
        let present = &raw["spec"]["template"];
        let (revision, old) = if self.keeps_current(ordinal) {
            (self.current.clone(), self.history.template(&self.current))
        } else {
            (self.history.update.clone(), None)
        };
        let mut pod = template::pod(self.set, old.as_ref().unwrap_or(present), name.clone());
        identity::stamp(&mut pod, self.spec, &self.set.key().name, ordinal, &revision);
        self.plan.writes.push(write::create(resource::PODS, pod));
        let message = format!("create Pod {name} in StatefulSet {} successful", self.set.key().name);
        self.plan.events.push(write::event(self.set, "Normal", "SuccessfulCreate", message));
        self.plan.note = format!("creating pod {name}");
        self.moved += 1;
    }

    fn delete(&mut self, pod: &Item<Pod>) {
        if self.moved >= BURST_LIMIT {
            self.plan.wake_at = Some(self.now);
            return;
        }
        self.plan.writes.push(write::delete(resource::PODS, pod));
        let name = &pod.key().name;
        let message = format!("delete Pod {name} in StatefulSet {} successful", self.set.key().name);
        self.plan.events.push(write::event(self.set, "Normal", "SuccessfulDelete", message));
        self.plan.note = format!("deleting pod {name}");
        self.moved += 1;
    }

    /// Gives a pod back the labels by which it is known, and its claims their owners.
    fn correct(&mut self, ordinal: i32, pod: &Item<Pod>) {
        if let Some(labels) = identity::missing(pod, ordinal) {
            self.plan.writes.push(write::patch(resource::PODS, "", pod, labels));
        }
        self.own_claims(ordinal, pod, false);
    }

    /// Adds the status and drops old revisions.
    fn finish(mut self, owned: &[&Arc<Item<Pod>>]) -> Plan {
        let status = self.status(owned);
        let next = owned.iter().filter_map(|pod| pods::available_at(pod, self.min_ready()));
        self.plan.wake_at = time::earliest(self.plan.wake_at, next.filter(|at| *at > self.now).min());
        if !self.set.deleting() {
            let live = |name: &str| {
                let named = |label: &String| label == name;
                name == self.current || owned.iter().any(|pod| identity::revision(pod).is_some_and(named))
            };
            let limit = self.spec.revision_history_limit;
            self.history.truncate(limit, |revision| live(&revision.key().name), &mut self.plan);
        }
        let current = self.set.status.as_ref();
        self.plan.writes.extend(write::status(resource::STATEFUL_SETS, self.set, current, &status));
        self.plan
    }
}
