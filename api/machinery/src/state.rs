//! The state as reads and writes see it: objects, snapshots, events, writes.
//!
//! The store commits [`Write`]s, the feed turns commits into [`Event`]s, a KindActor
//! folds them into [`Snapshot`]s that readers share without locks.

use bytes::Bytes;
use podium_kinds::Kind;
use podium_types::{Key, canonical};
use rpds::RedBlackTreeMapSync;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, OnceLock},
};

/// One stored object at one revision; its JSON is serialised once for all readers.
#[derive(Debug)]
pub struct Object {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.uid`.
    pub uid: String,
    /// Revision of the last write.
    pub revision: u64,
    /// Labels, for selectors.
    pub labels: BTreeMap<String, String>,
    /// The object as clients get it, `resourceVersion` included.
    pub json: Bytes,
}

impl Object {
    /// An object from its stored text (see [`canonical::encode`]) and revision.
    pub fn new(key: Key, uid: String, revision: u64, labels: BTreeMap<String, String>, text: &str) -> Self {
        Self { key, uid, revision, labels, json: Bytes::from(canonical::with_revision(text, revision)) }
    }
    /// The object as a JSON value; `Null` only if the stored text was damaged.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

/// Every object of one kind at one revision; cheap to clone and to share.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The revision that the snapshot has reached; no later event of this kind is in it.
    pub revision: u64,
    /// The objects in list order.
    pub objects: RedBlackTreeMapSync<Key, Arc<Object>>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { revision: 0, objects: RedBlackTreeMapSync::new_sync() }
    }
}

impl Snapshot {
    /// The object of that key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }
    /// Objects in list order, of one namespace or of all (`None`), after `after`.
    pub fn list<'a>(
        &'a self,
        namespace: Option<&'a str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let start = match (after, namespace) {
            (Some(key), _) => Bound::Excluded(key.clone()),
            (None, Some(ns)) => Bound::Included(Key::new(ns, "")),
            (None, None) => Bound::Unbounded,
        };
        self.objects
            .range((start, Bound::Unbounded))
            .map(|(_, object)| object)
            .take_while(move |o| namespace.is_none_or(|ns| o.key.namespace == ns))
    }
    /// The snapshot after `event`.
    pub fn apply(&mut self, event: &Event) {
        self.revision = self.revision.max(event.revision);
        if event.change == Change::Deleted {
            self.objects.remove_mut(&event.object.key);
        } else {
            self.objects.insert_mut(event.object.key.clone(), Arc::clone(&event.object));
        }
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It came into being.
    Added,
    /// It changed.
    Modified,
    /// It went; the event carries its last state at the revision of the deletion.
    Deleted,
}

/// One committed change.
#[derive(Debug)]
pub struct Event {
    /// Kind of change.
    pub change: Change,
    /// Its revision.
    pub revision: u64,
    /// The object after the change (before it, for a deletion).
    pub object: Arc<Object>,
    /// The object before, where there was one and it is known.
    pub previous: Option<Arc<Object>>,
    /// The watch frame, serialised by the first watcher for all of them.
    pub frame: OnceLock<Bytes>,
    /// The same in protobuf.
    pub binary_frame: OnceLock<Bytes>,
}

impl Event {
    /// An event whose frame is yet to be made.
    pub fn new(change: Change, revision: u64, object: Arc<Object>, previous: Option<Arc<Object>>) -> Self {
        Self { change, revision, object, previous, frame: OnceLock::new(), binary_frame: OnceLock::new() }
    }
}

/// One write, with its precondition. At most one object changes, and what it is charged to.
#[derive(Clone)]
pub struct Write {
    /// Kind of the object.
    pub kind: &'static Kind,
    /// Its key.
    pub key: Key,
    /// Who writes, for the history.
    pub actor: String,
    /// What to do.
    pub action: Action,
    /// What it is charged to (quotas). A deletion is charged to nothing.
    pub charges: Vec<Charge>,
}

/// An update of another object in the same commit, without which the write is not made.
///
/// The other way round there is no promise: a write that is refused for its own precondition may
/// have been charged. Whoever owns the charged object counts again what there is.
#[derive(Clone)]
pub struct Charge {
    /// Kind of the object.
    pub kind: &'static Kind,
    /// Its key.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// Revision that was read.
    pub expected: u64,
    /// The new state.
    pub body: Body,
}

/// Create, update or delete.
#[derive(Clone)]
pub enum Action {
    /// Refused with [`WriteError::AlreadyExists`] where the key is taken.
    Create {
        /// The new object's uid.
        uid: String,
        /// Its state.
        body: Body,
    },
    /// Refused with [`WriteError::Conflict`] unless uid and revision still hold.
    Update {
        /// uid of the object that was read.
        uid: String,
        /// Revision that was read.
        expected: u64,
        /// The new state.
        body: Body,
    },
    /// Refused with [`WriteError::Conflict`] unless uid and revision still hold.
    Delete {
        /// uid of the object that was read.
        uid: String,
        /// Revision that was read.
        expected: u64,
        /// Its last state, for watchers and history.
        body: Body,
    },
}

/// An object ready to store.
#[derive(Clone)]
pub struct Body {
    /// Labels, as rows carry them.
    pub labels: BTreeMap<String, String>,
    /// Text made by [`canonical::encode`].
    pub text: String,
}

impl Body {
    /// The stored form of an object.
    pub fn of(object: &Value) -> Self {
        let labels = podium_types::meta::pairs(object, "labels").map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self { labels, text: canonical::encode(object) }
    }
}

/// Why a write was not done, or is not known to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Create of a key that exists.
    AlreadyExists,
    /// The object is not there (any more).
    NotFound,
    /// uid or revision differ.
    Conflict,
    /// What the write is charged to has been modified; nothing was done.
    Overtaken,
    /// The database cannot take writes now; nothing was done.
    Unavailable,
    /// Too many writes wait; nothing was done.
    Overloaded,
    /// The outcome could not be settled in time: it may or may not have been done.
    Unknown,
    /// The database refuses this very object; nothing was done.
    Refused(String),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyExists => f.write_str("already exists"),
            Self::NotFound => f.write_str("not found"),
            Self::Conflict => f.write_str("the object has been modified"),
            Self::Overtaken => f.write_str("what the write is charged to has been modified"),
            Self::Unavailable => f.write_str("the database cannot be reached"),
            Self::Overloaded => f.write_str("too many writes are waiting"),
            Self::Unknown => f.write_str("the outcome of the write is not known"),
            Self::Refused(why) => write!(f, "the database refused the object: {why}"),
        }
    }
}
impl std::error::Error for WriteError {}
