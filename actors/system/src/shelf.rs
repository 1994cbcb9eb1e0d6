//! The read side of one kind: its newest snapshot, its recent events, its watchers.
//!
//! Written by the kind's actor alone; read by everyone without a mailbox in between. A shelf
//! outlives its actor's lives: while the actor is rebuilt, readers see the last snapshot.

use arc_swap::ArcSwap;
use podium_kinds::Kind;
use podium_machinery::state::{Event, Snapshot};
use podium_server::backend::{Expired, Subscription};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{broadcast, watch};

/// Events of one kind that are kept for watches that begin in the past.
pub const BACKLOG: usize = 4096;
/// Events that a watcher may lag behind before it is cut off.
pub const WATCH_LAG: usize = 4096;
/// Earlier snapshots kept for continue tokens; they share structure with the newest.
const SNAPSHOTS: usize = 256;

/// See the module.
pub struct Shelf {
    /// The kind.
    pub kind: &'static Kind,
    snapshot: ArcSwap<Snapshot>,
    past: Mutex<Past>,
    resets: watch::Sender<u64>,
}

struct Past {
    /// History is complete after this revision.
    since: u64,
    events: VecDeque<Arc<Event>>,
    snapshots: VecDeque<Arc<Snapshot>>,
    watchers: broadcast::Sender<Arc<Event>>,
}

impl Shelf {
    /// An empty shelf.
    pub fn new(kind: &'static Kind) -> Self {
        let past = Past {
            since: u64::MAX,
            events: VecDeque::new(),
            snapshots: VecDeque::new(),
            watchers: broadcast::channel(WATCH_LAG).0,
        };
        Self { kind, snapshot: ArcSwap::default(), past: Mutex::new(past), resets: watch::channel(0).0 }
    }
    /// How often it has been loaded.
    pub fn resets(&self) -> u64 {
        *self.resets.borrow()
    }
    /// Resolves when it has been loaded more often than `resets`. Its actor's supervisor sees to it, or starts over
    /// with whoever waits here.
    pub async fn loaded_after(&self, resets: u64) {
        // The sender lives as long as the shelf.
        let _ = self.resets.subscribe().wait_for(|r| *r > resets).await;
    }
    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether its actor has loaded it once.
    pub fn loaded(&self) -> bool {
        self.past().since != u64::MAX
    }
    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }
    /// The snapshot at `revision`, where it is still held.
    pub fn snapshot_at(&self, revision: u64) -> Option<Arc<Snapshot>> {
        let newest = self.snapshot();
        if newest.revision <= revision {
            return Some(newest);
        }
        self.past().snapshots.iter().rev().find(|s| s.revision <= revision).cloned()
    }
    /// Starts over from a snapshot loaded from the database and what led to it; all watches end,
    /// and those who come back find what they missed in the backlog.
    pub fn reset(&self, snapshot: Snapshot, since: u64, events: Vec<Arc<Event>>) {
        let mut past = self.past();
        let snapshot = Arc::new(snapshot);
        past.since = since;
        past.events = events.into();
        past.snapshots = VecDeque::from([snapshot.clone()]);
        past.watchers = broadcast::channel(WATCH_LAG).0;
        self.snapshot.store(snapshot);
        self.resets.send_modify(|r| *r += 1);
    }
    /// Publishes a newer snapshot and the events that led to it.
    pub fn publish(&self, snapshot: Snapshot, events: &[Arc<Event>]) {
        let mut past = self.past();
        let snapshot = Arc::new(snapshot);
        past.snapshots.push_back(snapshot.clone());
        if past.snapshots.len() > SNAPSHOTS {
            past.snapshots.pop_front();
        }
        self.snapshot.store(snapshot);
        for event in events {
            past.events.push_back(event.clone());
            if past.events.len() > BACKLOG
                && let Some(gone) = past.events.pop_front()
            {
                past.since = gone.revision;
            }
            // No receiver: nobody watches.
            let _ = past.watchers.send(event.clone());
        }
    }
    /// Forgets history up to `floor`, as compaction did in the database.
    pub fn compact(&self, floor: u64) {
        let mut past = self.past();
        while past.events.front().is_some_and(|e| e.revision <= floor) {
            past.events.pop_front();
        }
        past.since = past.since.max(floor);
        while past.snapshots.len() > 1 && past.snapshots.get(1).is_some_and(|s| s.revision <= floor) {
            past.snapshots.pop_front();
        }
    }
    /// Events after `since`.
    pub fn subscribe(&self, since: u64, revision: u64) -> Result<Subscription, Expired> {
        let past = self.past();
        if since < past.since {
            return Err(Expired { oldest: past.since });
        }
        let backlog = past.events.iter().filter(|e| e.revision > since).cloned().collect();
        Ok(Subscription { backlog, events: past.watchers.subscribe(), revision })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podium_machinery::state::{Change, Object};
    use podium_types::Key;
    use std::collections::BTreeMap;

    fn event(revision: u64) -> Arc<Event> {
        let key = Key::new("ns", format!("o{revision}"));
        let object = Arc::new(Object::new(key, "u".to_owned(), revision, BTreeMap::new(), "{\"metadata\":{}}"));
        Arc::new(Event::new(Change::Added, revision, object, None))
    }
    fn shelf(upto: u64) -> Shelf {
        let shelf = Shelf::new(podium_kinds::by_resource("configmaps").unwrap());
        shelf.reset(Snapshot::default(), 0, Vec::new());
        for revision in 1..=upto {
            let mut snapshot = Snapshot::clone(&shelf.snapshot());
            snapshot.apply(&event(revision));
            shelf.publish(snapshot, &[event(revision)]);
        }
        shelf
    }

    #[test]
    fn a_watch_from_the_past_gets_what_followed_then_what_comes() {
        let shelf = shelf(5);
        let mut watch = shelf.subscribe(3, 5).ok().unwrap();
        assert_eq!(watch.backlog.iter().map(|e| e.revision).collect::<Vec<_>>(), [4, 5]);
        shelf.publish(Snapshot::default(), &[event(6)]);
        assert_eq!(watch.events.try_recv().unwrap().revision, 6);
    }

    #[test]
    fn compacted_history_is_refused() {
        let shelf = shelf(5);
        shelf.compact(3);
        assert_eq!(shelf.subscribe(2, 5).err().map(|e| e.oldest), Some(3));
        assert!(shelf.subscribe(3, 5).is_ok());
        let many = super::tests::shelf(BACKLOG as u64 + 10);
        assert_eq!(many.subscribe(0, 0).err().map(|e| e.oldest), Some(10));
    }

    #[test]
    fn earlier_snapshots_are_found_until_they_are_compacted() {
        let shelf = shelf(5);
        assert_eq!(shelf.snapshot_at(3).map(|s| (s.revision, s.objects.size())), Some((3, 3)));
        assert_eq!(shelf.snapshot_at(9).map(|s| s.revision), Some(5));
        shelf.compact(4);
        assert!(shelf.snapshot_at(3).is_none());
    }
}
