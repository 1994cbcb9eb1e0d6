//! Keeps one pod on every node that the template suits.
//!
//! `nodes` says which nodes those are, `placing` what is wrong with the pods of one node,
//! `rollout` which pods of the old template go, `status` reports.

mod nodes;
mod placing;
mod rollout;
mod status;

use crate::{
    Controller, Ids, Plan, Refusal, View, history::History, owners, pods, refusal, resource, selector, time,
    view::Item, write,
};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, DaemonSetSpec},
    core::v1::Pod,
};
use nodes::Suit;
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use rollout::Limits;
use std::{collections::BTreeMap, sync::Arc};

/// How many pods one decision creates or deletes at most; the next decision goes on.
pub const BURST_LIMIT: usize = 500;

/// The controller of DaemonSets.
pub struct DaemonSetController;

impl Controller for DaemonSetController {
    fn name(&self) -> &'static str {
        "daemonset"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::DAEMON_SETS, resource::PODS, resource::NODES, resource::CONTROLLER_REVISIONS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let sets = view.daemon_sets.of(&event.object.key.namespace);
        let selects = |set: &DaemonSet, labels: &selector::Labels| {
            set.spec.as_ref().is_some_and(|spec| selector::matches(&spec.selector, labels))
        };
        match resource {
            resource::DAEMON_SETS => vec![event.object.key.clone()],
            resource::NODES if nodes::changed(view, event) => self.all_keys(view),
            resource::NODES => Vec::new(),
            resource::PODS => owners::keys_of_pod(view, resource::DAEMON_SETS, event, sets, selects),
            _ => owners::keys_of_event(view, resource::DAEMON_SETS, event, sets, selects),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.daemon_sets.all().map(|set| set.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, ids: &mut Ids) -> Plan {
        let Some(set) = view.daemon_sets.get(key) else { return Plan::default() };
        let Some(spec) = &set.spec else { return Plan::default() };
        let mut plan = Plan::default();
        let candidates = view.claimable(&key.namespace, set.uid());
        let (owned, writes) = owners::claim(set, &spec.selector, resource::PODS, candidates);
        plan.writes = writes;
        let collisions = set.status.as_ref().and_then(|status| status.collision_count);
        let history = History::find(view, set, &spec.selector, collisions, &mut plan);
        let suits = nodes::suits(view, spec);
        let limits = rollout::limits(spec, suits.values().filter(|suit| suit.run).count());
        let by_node = by_node(&owned);
        let mut draft = Draft { view, set, spec, history, now, plan, suits, limits, by_node, moved: 0 };
        if !set.deleting() && !draft.history.collided {
            draft.act(ids);
        }
        draft.finish(&owned)
    }
    fn refused(&self, view: &View, key: &Key, _now: Timestamp, refusals: &[Refusal]) -> Plan {
        let item = view.daemon_sets.get(key).into_iter();
        let events = item.flat_map(|item| refusal::event(item, refusals, Refusal::message)).collect();
        Plan { events, ..Plan::default() }
    }
}

/// The pods of every node, oldest first; those ended and on their way out no longer count.
fn by_node<'a>(owned: &[&'a Arc<Item<Pod>>]) -> BTreeMap<String, Vec<&'a Arc<Item<Pod>>>> {
    let mut map: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for pod in owned.iter().filter(|pod| !(pod.deleting() && pods::terminal(pod))) {
        if let Some(node) = nodes::of_pod(pod) {
            map.entry(node.to_owned()).or_default().push(*pod);
        }
    }
    for list in map.values_mut() {
        list.sort_by_key(|pod| {
            let created = pod.meta().creation_timestamp.as_ref().map(|time| time.0);
            (pods::node(pod).is_none(), created, pod.key().clone())
        });
    }
    map
}

/// A decision in the making.
struct Draft<'a> {
    view: &'a View,
    set: &'a Item<DaemonSet>,
    spec: &'a DaemonSetSpec,
    history: History<'a>,
    now: Timestamp,
    plan: Plan,
    /// What every node is to the template.
    suits: BTreeMap<&'a str, Suit>,
    limits: Limits,
    by_node: BTreeMap<String, Vec<&'a Arc<Item<Pod>>>>,
    /// Pods created or deleted by this plan.
    moved: usize,
}

impl<'a> Draft<'a> {
    fn act(&mut self, ids: &mut Ids) {
        let mut create = Vec::new();
        let mut delete = Vec::new();
        for node in self.view.nodes.all() {
            let suit = self.suits.get(node.key().name.as_str()).copied().unwrap_or_default();
            self.place(&node.key().name, suit, &mut create, &mut delete);
        }
        for (_, list) in self.by_node.iter().filter(|(node, _)| !self.suits.contains_key(node.as_str())) {
            // Waiting for a node that is gone; what was bound there is the pod collector's.
            delete.extend(list.iter().filter(|pod| pods::node(pod).is_none() && !pod.deleting()));
        }
        if delete.is_empty() && create.is_empty() {
            self.roll(&mut create, &mut delete);
        }
        if create.len() + delete.len() > BURST_LIMIT {
            self.plan.wake_at = Some(self.now);
        }
        delete.into_iter().for_each(|pod| self.delete(pod));
        create.into_iter().for_each(|node| self.create(&node, ids));
    }

    fn min_ready(&self) -> i32 {
        self.spec.min_ready_seconds.unwrap_or(0)
    }

    fn available(&self, pod: &Item<Pod>) -> bool {
        pods::available_at(pod, self.min_ready()).is_some_and(|at| at <= self.now)
    }

    /// Whether a pod is of the present template.
    fn updated(&self, pod: &Item<Pod>) -> bool {
        pod.object.labels.get(crate::history::HASH_LABEL) == Some(&self.history.hash)
    }

    /// Adds the status and drops old revisions.
    fn finish(mut self, owned: &[&Arc<Item<Pod>>]) -> Plan {
        let status = self.status();
        let next = owned.iter().filter_map(|pod| pods::available_at(pod, self.min_ready()));
        self.plan.wake_at = time::earliest(self.plan.wake_at, next.filter(|at| *at > self.now).min());
        if !self.set.deleting() {
            let hash = |labels: &selector::Labels| labels.get(crate::history::HASH_LABEL).cloned();
            let used: Vec<_> = owned.iter().filter_map(|pod| hash(&pod.object.labels)).collect();
            let limit = self.spec.revision_history_limit;
            let live = |r: &Item<_>| hash(&r.object.labels).is_some_and(|hash| used.contains(&hash));
            self.history.truncate(limit, live, &mut self.plan);
        }
        let current = self.set.status.as_ref();
        self.plan.writes.extend(write::status(resource::DAEMON_SETS, self.set, current, &status));
        self.plan
    }
}
