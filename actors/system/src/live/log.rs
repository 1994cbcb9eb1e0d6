//! What changed among the actors: the events that watchers of the live kind get.
//!
//! Actors are not stored, so their changes are found by comparing what is with what was, at each list and, while
//! somebody watches, every [`super::LOOK_FOR_WATCHERS`]. Lives that begin and end in between are not seen.

use podium_machinery::state::{Change, Event, Object, Snapshot};
use podium_server::backend::{Expired, Subscription};
use podium_types::{Key, canonical, meta};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tokio::sync::broadcast;

/// Events kept for watchers that begin at an earlier revision.
const HISTORY: usize = 1024;
/// Events that a watcher may lag behind before it must list again.
const LAG: usize = 1024;

/// See the module.
pub(super) struct Log {
    seen: BTreeMap<Key, (Value, Arc<Object>)>,
    events: VecDeque<Arc<Event>>,
    revision: u64,
    floor: u64,
    sender: broadcast::Sender<Arc<Event>>,
}

impl Default for Log {
    fn default() -> Self {
        let sender = broadcast::channel(LAG).0;
        Self { seen: BTreeMap::new(), events: VecDeque::new(), revision: 0, floor: 0, sender }
    }
}

impl Log {
    /// Takes in the actors as they are, at `now` (microseconds since 1970); revisions are times, so that they grow over
    /// restarts too.
    pub fn observe(&mut self, actors: Vec<Value>, now: u64) -> Snapshot {
        let first = self.revision == 0;
        self.revision = self.revision.max(now);
        if first {
            self.floor = self.revision;
        }
        let mut before = std::mem::take(&mut self.seen);
        let mut snapshot = Snapshot::default();
        for actor in actors {
            let (key, mark) = (meta::key(&actor), mark(&actor));
            let object = match before.remove(&key) {
                Some((old, object)) if old == mark => self.object(&actor, object.revision),
                Some((old, object)) if old["uid"] == mark["uid"] => {
                    let changed = self.object(&actor, self.revision + 1);
                    self.tell(Change::Modified, changed, Some(object))
                }
                Some((_, object)) => {
                    self.gone(&object);
                    let fresh = self.object(&actor, self.revision + 1);
                    self.tell(Change::Added, fresh, None)
                }
                None => {
                    let fresh = self.object(&actor, self.revision + 1);
                    self.tell(Change::Added, fresh, None)
                }
            };
            snapshot.objects.insert_mut(key.clone(), object.clone());
            self.seen.insert(key, (mark, object));
        }
        before.into_values().for_each(|(_, object)| self.gone(&object));
        snapshot.revision = self.revision;
        snapshot
    }

    /// Events after `since`, and those to come.
    pub fn subscribe(&self, since: u64) -> Result<Subscription, Expired> {
        if since < self.floor {
            return Err(Expired { oldest: self.floor });
        }
        let backlog = self.events.iter().filter(|e| e.revision > since).cloned().collect();
        Ok(Subscription { backlog, events: self.sender.subscribe(), revision: self.revision })
    }

    /// Whether anybody watches.
    pub fn watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    fn object(&self, actor: &Value, revision: u64) -> Arc<Object> {
        let (key, uid) = (meta::key(actor), meta::uid(actor).to_owned());
        Arc::new(Object::new(key, uid, revision, BTreeMap::new(), &canonical::encode(actor)))
    }

    fn gone(&mut self, object: &Arc<Object>) {
        let last = self.object(&object.value(), self.revision + 1);
        self.tell(Change::Deleted, last, Some(object.clone()));
    }

    fn tell(&mut self, change: Change, object: Arc<Object>, previous: Option<Arc<Object>>) -> Arc<Object> {
        self.revision = object.revision;
        let event = Arc::new(Event::new(change, object.revision, object.clone(), previous));
        if self.events.len() == HISTORY
            && let Some(oldest) = self.events.pop_front()
        {
            self.floor = oldest.revision;
        }
        self.events.push_back(event.clone());
        // Nobody may be listening.
        let _ = self.sender.send(event);
        object
    }
}

/// What makes an actor another for its watchers; depths and latencies change all the time.
fn mark(actor: &Value) -> Value {
    let status = &actor["status"];
    json!({"uid": meta::uid(actor), "state": status["state"], "restarts": status["restarts"],
        "error": status["lastError"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(name: &str, uid: &str, state: &str) -> Value {
        json!({"metadata": {"name": name, "uid": uid}, "status": {"state": state, "mailboxDepth": uid.len()}})
    }

    fn told(log: &Log, since: u64) -> Vec<(Change, String)> {
        let backlog = log.subscribe(since).unwrap().backlog;
        backlog.iter().map(|e| (e.change, format!("{}/{}", e.object.key.name, e.object.uid))).collect()
    }

    #[test]
    fn a_new_life_is_a_deletion_and_an_addition() {
        let mut log = Log::default();
        let first = log.observe(vec![actor("a", "1", "Running"), actor("b", "1", "Running")], 1000).revision;
        assert_eq!(log.observe(vec![actor("a", "1", "Running"), actor("b", "1", "Running")], 1000).revision, first);
        let second = log.observe(vec![actor("a", "2", "Running"), actor("b", "1", "Stopped")], 1001).revision;
        let expected = [(Change::Deleted, "a/1"), (Change::Added, "a/2"), (Change::Modified, "b/1")];
        assert_eq!(told(&log, first), expected.map(|(c, n)| (c, n.to_owned())));
        log.observe(vec![actor("a", "2", "Running")], 2000);
        assert_eq!(told(&log, second), [(Change::Deleted, "b/1".to_owned())]);
        assert!(log.subscribe(5).is_err(), "before anything was seen");
    }

    #[test]
    fn revisions_grow_and_history_has_an_end() {
        let mut log = Log::default();
        let mut last = 0;
        for life in 0..HISTORY {
            last = log.observe(vec![actor("a", &life.to_string(), "Running")], 7).revision;
        }
        let revisions: Vec<_> = log.subscribe(log.floor).unwrap().backlog.iter().map(|e| e.revision).collect();
        assert!(revisions.windows(2).all(|w| w[0] < w[1]) && revisions.last() == Some(&last));
        assert!(revisions.len() <= HISTORY && log.subscribe(log.floor - 1).is_err());
    }
}
