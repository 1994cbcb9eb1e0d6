//! The scheduler as a controller: one key, the queue of pods that wait for a node.
//!
//! Every decision places as many pods as fit into one batch, the most important first. A pod
//! that fits nowhere is looked at again when something has changed that could help it, the
//! later the more often that was in vain; a pod that was looked at before never keeps a new
//! one waiting for long, since only so many of them are tried at once, taking turns.

use crate::{
    backoff::{self, Turn},
    batch::{Batch, Placement},
    hint,
    profile::Profile,
    report, settings,
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{Controller, Ids, Plan, View, pods, resource, time, view::Item};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use std::{cmp::Reverse, sync::Arc};

/// How many pods one decision places at most; the next one goes on.
pub const BATCH_LIMIT: usize = 1000;
/// For how many pods one decision makes room at most, which costs far more than placing one.
pub const ROOM_LIMIT: usize = 64;
/// How many pods that were refused before one decision tries again at most.
pub const RETRY_LIMIT: usize = 1000;
/// Seconds between the turns of more refused pods than that.
pub const TURN_SECONDS: i64 = 1;
/// Binds pods that name one of its profiles.
pub struct Scheduler;

/// The one key: pods are placed together, so that each sees where the others went.
pub fn queue() -> Key {
    Key::new("", "queue")
}

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "scheduler"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[
            resource::PODS,
            resource::NODES,
            resource::NAMESPACES,
            resource::CLAIMS,
            "persistentvolumes",
            "storageclasses.storage.k8s.io",
            "csinodes.storage.k8s.io",
        ]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        if view.pending.keys().next().is_none() {
            return Vec::new();
        }
        let profiles = settings::profiles(view);
        let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        if hint::helps(view, &names, resource, event) { vec![queue()] } else { Vec::new() }
    }
    fn all_keys(&self, _view: &View) -> Vec<Key> {
        vec![queue()]
    }
    fn decide(&self, view: &View, _key: &Key, now: Timestamp, ids: &mut Ids) -> Plan {
        let profiles = settings::profiles(view);
        let mut plan = Plan::default();
        let waiting = profiles.iter().flat_map(|profile| view.pending.get(&profile.name));
        let (gated, waiting): (Vec<_>, Vec<_>) =
            waiting.filter_map(|key| view.pods.get(key)).partition(|pod| gated(pod));
        let (mut ready, mut later) = (Vec::new(), None);
        for pod in waiting {
            match backoff::turn(view, pod, now) {
                _ if hint::fresh(pod) => ready.push(pod),
                Turn::Due => ready.push(pod),
                Turn::Backoff(at) | Turn::Idle(at) => later = time::earliest(later, Some(at)),
            }
        }
        let (turns, left) = in_turn(ready, ids);
        let mut round = Round { view, profiles: &profiles, now, plan: &mut plan, bound: 0, failed: 0 };
        let done = round.run(&turns, ids);
        let (bound, failed) = (round.bound, round.failed);
        gated.into_iter().for_each(|pod| report::gate(pod, now, &mut plan));
        if done < turns.len() {
            plan.wake_at = Some(now);
        } else if left > 0 {
            plan.wake_at = time::after(now, TURN_SECONDS);
        } else if failed > 0 {
            plan.wake_at = time::after(now, backoff::FLUSH_SECONDS);
        }
        plan.wake_at = time::earliest(plan.wake_at, later);
        if bound + failed > 0 {
            plan.note = format!("{} pods waiting: {bound} bound, {failed} fit nowhere", turns.len() + left);
        }
        plan
    }
}

/// One decision under way.
struct Round<'a> {
    view: &'a View,
    profiles: &'a [Profile],
    now: Timestamp,
    plan: &'a mut Plan,
    bound: usize,
    failed: usize,
}

impl Round<'_> {
    /// Places pods until a batch is full; how many were looked at.
    fn run(&mut self, pods: &[&Arc<Item<Pod>>], ids: &mut Ids) -> usize {
        if pods.is_empty() {
            return 0;
        }
        let mut batch = Batch::new(self.view, self.profiles);
        // Bindings first: writes of one sort that follow each other share a commit.
        let mut after = Plan::default();
        let (mut done, mut rooms) = (0, 0);
        for pod in pods {
            if self.bound >= BATCH_LIMIT || rooms >= ROOM_LIMIT {
                break;
            }
            done += 1;
            match batch.place(pod, ids) {
                Some(Placement::Node(node)) => {
                    self.bound += 1;
                    self.attempted(pod, "scheduled");
                    report::bind(self.view, pod, &node, self.plan);
                }
                Some(Placement::Volumes(node, claims)) => report::select(self.view, &claims, &node, &mut after),
                Some(Placement::Failure(failure)) => {
                    self.failed += 1;
                    self.attempted(pod, "unschedulable");
                    self.plan.tried.insert(pod.uid().to_owned(), self.view.moves.newest());
                    rooms += usize::from(failure.victims.iter().any(|victim| !victim.deleting()));
                    report::fail(pod, &failure, pods::scheduler(pod), self.now, &mut after);
                }
                None => {}
            }
        }
        self.plan.writes.extend(after.writes);
        self.plan.events.extend(after.events);
        done
    }

    /// Counts an attempt for the pod's profile.
    fn attempted(&mut self, pod: &Pod, result: &'static str) {
        *self.plan.attempts.entry((pods::scheduler(pod).to_owned(), result)).or_default() += 1;
    }
}

/// The pods of this turn, the most important and then the oldest first; how many are left for
/// the next. New pods are always among them, and a window of those refused before.
fn in_turn<'a>(waiting: Vec<&'a Arc<Item<Pod>>>, ids: &mut Ids) -> (Vec<&'a Arc<Item<Pod>>>, usize) {
    let (mut turns, mut refused): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|pod| hint::fresh(pod));
    let left = refused.len().saturating_sub(RETRY_LIMIT);
    if left > 0 {
        let count = u64::try_from(refused.len()).unwrap_or(1).max(1);
        refused.rotate_left(usize::try_from(ids.next() % count).unwrap_or(0));
        refused.truncate(RETRY_LIMIT);
    }
    turns.extend(refused);
    turns.sort_by_key(|pod| {
        let created = pod.meta().creation_timestamp.as_ref().map(|time| time.0);
        (Reverse(crate::ask::priority(pod)), created)
    });
    (turns, left)
}

pub(crate) fn gated(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref()).is_some_and(|gates| !gates.is_empty())
}
