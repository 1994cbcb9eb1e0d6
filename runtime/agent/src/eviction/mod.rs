//! Keeps the node alive when it runs short: looks at what is left, tells of pressure, and asks pods to leave, one at a
//! time, as `podium_lifecycle::eviction` decides.

mod uses;

use crate::{
    Result,
    events::Note,
    images,
    pods::PodSlot,
    settings::duration,
    shared::Shared,
    stats::{FileSystem, NodeSample},
};
use jiff::{SignedDuration, Timestamp};
use podium_lifecycle::eviction::{Due, Eviction, Manager, Observation, Pressure, Signal, Verdict, exceeded, victim};
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How often the node is looked at (the kubelet's monitoring period).
const LOOK: Duration = Duration::from_secs(10);
/// How long one pod's leaving is waited for before the next is asked.
const LEAVING: Duration = Duration::from_secs(30);

pub(crate) fn child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("eviction", &Handle::new(), move || EvictionActor {
        manager: manager(&shared),
        shared: shared.clone(),
        leaving: None,
        relieving: false,
    })
}

fn manager(shared: &Shared) -> Manager {
    let settings = &shared.settings;
    // Checked when they were read.
    let thresholds = settings.thresholds().unwrap_or_default();
    let transition = duration(&settings.eviction_pressure_transition_period).unwrap_or(SignedDuration::ZERO);
    Manager::new(thresholds, transition)
}

struct EvictionActor {
    shared: Arc<Shared>,
    manager: Manager,
    /// Who was asked to leave, and when.
    leaving: Option<(Arc<PodSlot>, Instant)>,
    /// Directories of pods are still being walked, or images removed.
    relieving: bool,
}

impl Worker for EvictionActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.ready();
        self.look(ctx);
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}
}

impl EvictionActor {
    fn look(&mut self, ctx: &mut Ctx<'_, Self>) {
        let shared = self.shared.clone();
        ctx.spawn(async move { shared.meter.node(&shared).await }, |me: &mut Self, outcome, ctx| {
            match outcome.and_then(|node| observe(&me.shared, &node)) {
                Ok(seen) => {
                    let verdict = me.manager.observe(&seen, Timestamp::now());
                    me.act(verdict, ctx);
                }
                Err(error) => tracing::warn!(%error, "looking for pressure on the node"),
            }
            ctx.later(LOOK, |me, ctx| me.look(ctx));
        });
    }

    fn act(&mut self, verdict: Verdict, ctx: &mut Ctx<'_, Self>) {
        tell(&self.shared, &verdict);
        let busy = |(slot, since): &(Arc<PodSlot>, Instant)| {
            !slot.ended() && self.shared.pods.get(&slot.uid).is_some() && since.elapsed() < LEAVING
        };
        if !self.leaving.as_ref().is_some_and(busy) {
            self.leaving = None;
        }
        if std::mem::replace(&mut self.relieving, true) {
            return;
        }
        let due = verdict.due.filter(|_| self.leaving.is_none());
        let shared = self.shared.clone();
        ctx.spawn(async move { relieve(&shared, due).await }, |me: &mut Self, outcome, _| {
            me.relieving = false;
            match outcome {
                Ok(victim) => me.leaving = victim.map(|slot| (slot, Instant::now())).or(me.leaving.take()),
                Err(error) => tracing::warn!(%error, "relieving the node"),
            }
        });
    }
}

/// The node's status follows.
fn tell(shared: &Shared, verdict: &Verdict) {
    shared.pressure.send_if_modified(|known| {
        if *known == verdict.pressures {
            return false;
        }
        let names: Vec<&str> = verdict.pressures.iter().map(|p| p.condition()).collect();
        tracing::warn!("pressure on the node is now [{}]", names.join(" "));
        known.clone_from(&verdict.pressures);
        true
    });
}

fn observe(shared: &Shared, node: &NodeSample) -> Result<BTreeMap<Signal, Observation>> {
    let disk = FileSystem::of(&shared.config.data_dir)?;
    let bytes = Observation { capacity: disk.capacity_bytes, available: disk.available_bytes };
    let inodes = Observation { capacity: disk.inodes, available: disk.inodes_free };
    let capacity = u64::try_from(shared.machine.memory_bytes).unwrap_or(0);
    let tasks = node.processes;
    // Images lie on the node's own file system.
    Ok(BTreeMap::from([
        (Signal::MemoryAvailable, Observation { capacity, available: node.memory_available }),
        (Signal::NodeFsAvailable, bytes),
        (Signal::NodeFsInodesFree, inodes),
        (Signal::ImageFsAvailable, bytes),
        (Signal::ImageFsInodesFree, inodes),
        (
            Signal::PidAvailable,
            Observation { capacity: tasks.most, available: tasks.most.saturating_sub(tasks.running) },
        ),
    ]))
}

/// Pods above their own limits go; then, where the node is short, images nobody uses; then one pod, which is returned.
async fn relieve(shared: &Arc<Shared>, due: Option<Due>) -> Result<Option<Arc<PodSlot>>> {
    shared.meter.disk.prune(shared);
    for (slot, used) in uses::limited(shared).await {
        if let Some(eviction) = exceeded(&used) {
            evict(shared, &slot, eviction);
        }
    }
    let Some(due) = due else { return Ok(None) };
    let signal = due.threshold.signal;
    tracing::warn!("the node has too little {}: {} left", signal.name(), due.seen.available);
    if signal.pressure() == Pressure::Disk {
        images::reclaim(shared).await?;
        let node = shared.meter.node(shared).await?;
        let left = observe(shared, &node)?.get(&signal).copied();
        if left.is_some_and(|seen| seen.available >= due.threshold.quantity(seen.capacity)) {
            return Ok(None);
        }
    }
    let pods = uses::all(shared, signal).await?;
    let used: Vec<_> = pods.iter().map(|(_, used)| used.clone()).collect();
    let Some((uid, eviction)) = victim(&used, &due, shared.settings.eviction_max_pod_grace_period) else {
        tracing::warn!("no pod can be evicted to win back {}", signal.resource());
        return Ok(None);
    };
    let slot = pods.into_iter().map(|(slot, _)| slot).find(|slot| slot.uid == uid);
    if let Some(slot) = &slot {
        evict(shared, slot, eviction);
    }
    Ok(slot)
}

/// Asks a pod to leave; its actor does it.
pub(crate) fn evict(shared: &Shared, slot: &PodSlot, eviction: Eviction) {
    let (pod, message) = (slot.pod.load_full(), eviction.message.clone());
    tracing::warn!(uid = slot.uid, "evicting a pod: {message}");
    let reason = eviction.reason.to_owned();
    shared.recorder.record(Note { pod, container: None, warning: true, reason, message });
    slot.evict(eviction);
}
