//! A backend in memory for tests: the same contract, no database.

use crate::backend::{Backend, Expired, Subscription};
use futures_util::{FutureExt, future::BoxFuture};
use podium_kinds::Kind;
use podium_machinery::state::{Action, Body, Change, Charge, Event, Object, Snapshot, Write, WriteError};
use podium_types::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::broadcast;

struct Shelf {
    history: Vec<Arc<Snapshot>>,
    events: Vec<Arc<Event>>,
    sender: broadcast::Sender<Arc<Event>>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { history: vec![Arc::default()], events: Vec::new(), sender: broadcast::channel(64).0 }
    }
}

#[derive(Default)]
struct State {
    revision: u64,
    floor: u64,
    shelves: BTreeMap<&'static str, Shelf>,
}

/// Objects in memory, every snapshot kept until [`Memory::compact`].
pub(crate) struct Memory {
    state: Mutex<State>,
    ids: AtomicU64,
    pub(crate) ready: AtomicBool,
    /// Writes fail with this, where set.
    pub(crate) refuse: Mutex<Option<WriteError>>,
}

impl Memory {
    /// With namespace `default` and its account.
    pub(crate) fn new() -> Arc<Self> {
        let memory = Arc::new(Self {
            state: Mutex::default(),
            ids: AtomicU64::new(1),
            ready: AtomicBool::new(true),
            refuse: Mutex::default(),
        });
        memory.put(
            "namespaces",
            serde_json::json!({"kind": "Namespace", "apiVersion": "v1",
            "metadata": {"name": "default", "uid": "ns"}, "spec": {"finalizers": ["kubernetes"]}}),
        );
        memory.put(
            "serviceaccounts",
            serde_json::json!({"kind": "ServiceAccount", "apiVersion": "v1",
            "metadata": {"name": "default", "namespace": "default", "uid": "sa"}}),
        );
        memory
    }
    /// Stores an object past every rule.
    pub(crate) fn put(&self, resource: &str, object: serde_json::Value) {
        let kind = podium_kinds::by_resource(resource).unwrap();
        let uid = podium_types::meta::uid(&object).to_owned();
        let action = Action::Create { uid, body: Body::of(&object) };
        let key = podium_types::meta::key(&object);
        self.write(Write { kind, key, actor: "test".into(), action, charges: Vec::new() }).unwrap();
    }
    /// Forgets history before the newest revision.
    pub(crate) fn compact(&self) {
        let mut state = self.state.lock().unwrap();
        state.floor = state.revision;
        for shelf in state.shelves.values_mut() {
            shelf.events.clear();
            let newest = shelf.history.pop().unwrap();
            shelf.history = vec![newest];
        }
    }

    fn write(&self, write: Write) -> Result<Arc<Object>, WriteError> {
        if let Some(error) = self.refuse.lock().unwrap().clone() {
            return Err(error);
        }
        let mut state = self.state.lock().unwrap();
        for charge in &write.charges {
            let shelf = state.shelves.entry(charge.kind.resource).or_default();
            let current = shelf.history.last().unwrap().get(&charge.key);
            if current.is_none_or(|o| o.uid != charge.uid || o.revision != charge.expected) {
                return Err(WriteError::Overtaken);
            }
        }
        for Charge { kind, key, uid, expected, body } in write.charges {
            let action = Action::Update { uid, expected, body };
            Self::apply(&mut state, Write { kind, key, actor: write.actor.clone(), action, charges: Vec::new() })?;
        }
        Self::apply(&mut state, Write { charges: Vec::new(), ..write })
    }

    fn apply(state: &mut State, write: Write) -> Result<Arc<Object>, WriteError> {
        let revision = state.revision + 1;
        let shelf = state.shelves.entry(write.kind.resource).or_default();
        let mut snapshot = Snapshot::clone(shelf.history.last().unwrap());
        let current = snapshot.get(&write.key).cloned();
        let check = |uid: &str, expected: u64| match &current {
            None => Err(WriteError::NotFound),
            Some(o) if o.uid != uid || o.revision != expected => Err(WriteError::Conflict),
            Some(_) => Ok(()),
        };
        let (change, uid, body) = match write.action {
            Action::Create { .. } if current.is_some() => return Err(WriteError::AlreadyExists),
            Action::Create { uid, body } => (Change::Added, uid, body),
            Action::Update { uid, expected, body } => {
                check(&uid, expected)?;
                (Change::Modified, uid, body)
            }
            Action::Delete { uid, expected, body } => {
                check(&uid, expected)?;
                (Change::Deleted, uid, body)
            }
        };
        let object = Arc::new(Object::new(write.key, uid, revision, body.labels, &body.text));
        let event = Arc::new(Event::new(change, revision, Arc::clone(&object), current));
        snapshot.apply(&event);
        shelf.history.push(Arc::new(snapshot));
        shelf.events.push(Arc::clone(&event));
        let _ = shelf.sender.send(event);
        state.revision = revision;
        Ok(object)
    }
}

impl Backend for Memory {
    fn snapshot(&self, kind: &'static Kind) -> Arc<Snapshot> {
        let state = self.state.lock().unwrap();
        state.shelves.get(kind.resource).map(|s| Arc::clone(s.history.last().unwrap())).unwrap_or_default()
    }
    fn snapshot_at(&self, kind: &'static Kind, revision: u64) -> Option<Arc<Snapshot>> {
        let state = self.state.lock().unwrap();
        let shelf = state.shelves.get(kind.resource)?;
        let newest = shelf.history.last()?;
        if revision < state.floor && revision < newest.revision {
            return None;
        }
        shelf.history.iter().rev().find(|s| s.revision <= revision).cloned()
    }
    fn revision(&self) -> u64 {
        self.state.lock().unwrap().revision
    }
    fn settle(&self) -> BoxFuture<'static, u64> {
        let revision = self.revision();
        async move { revision }.boxed()
    }
    fn commit(&self, write: Write) -> BoxFuture<'static, Result<Arc<Object>, WriteError>> {
        let done = self.write(write);
        async move { done }.boxed()
    }
    fn watch(&self, kind: &'static Kind, since: u64) -> Result<Subscription, Expired> {
        let mut state = self.state.lock().unwrap();
        if since < state.floor {
            return Err(Expired { oldest: state.floor });
        }
        let revision = state.revision;
        let shelf = state.shelves.entry(kind.resource).or_default();
        let backlog = shelf.events.iter().filter(|e| e.revision > since).cloned().collect();
        Ok(Subscription { backlog, events: shelf.sender.subscribe(), revision })
    }
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn uid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.ids.fetch_add(1, Ordering::Relaxed))
    }
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

impl Memory {
    /// The newest revision.
    pub(crate) fn snapshot_revision(&self) -> u64 {
        self.state.lock().unwrap().revision
    }
}
