//! What the server needs of the running system; `podium-system` implements it over the
//! store, the simulator over memory.

use futures_util::{FutureExt, future::BoxFuture};
use podium_kinds::Kind;
use podium_machinery::state::{Event, Object, Snapshot, Write, WriteError};
use podium_types::Timestamp;
use std::sync::Arc;
use tokio::sync::broadcast;

/// State and time. Reads are answered from memory; only [`Backend::settle`] may ask the database.
pub trait Backend: Send + Sync + 'static {
    /// The newest snapshot of a kind.
    fn snapshot(&self, kind: &'static Kind) -> Arc<Snapshot>;
    /// The snapshot of a kind at exactly that revision (continue tokens, `resourceVersionMatch=Exact`),
    /// `None` where it is no longer held. A revision above the kind's newest, but not above
    /// [`Backend::revision`], is the newest.
    fn snapshot_at(&self, kind: &'static Kind, revision: u64) -> Option<Arc<Snapshot>>;
    /// The newest revision that memory has reached, over all kinds.
    fn revision(&self) -> u64;
    /// Waits until memory has reached what the database had committed when this was called, and
    /// returns that revision. With the database gone it returns what memory has.
    fn settle(&self) -> BoxFuture<'static, u64>;
    /// Waits until a live kind that is only measured on demand can be read; at once for others.
    fn refresh(&self, _kind: &'static Kind) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
    /// Commits one write. When it returns, the snapshot of the kind holds it.
    fn commit(&self, write: Write) -> BoxFuture<'static, Result<Arc<Object>, WriteError>>;
    /// Events of a kind after `since`; an error where history no longer reaches back so far.
    fn watch(&self, kind: &'static Kind, since: u64) -> Result<Subscription, Expired>;
    /// The time.
    fn now(&self) -> Timestamp;
    /// A fresh uid.
    fn uid(&self) -> String;
    /// Whether the database answers (for `/readyz`).
    fn ready(&self) -> bool;
}

/// Events from a revision on, without gap or double.
pub struct Subscription {
    /// Events that had happened already, oldest first.
    pub backlog: Vec<Arc<Event>>,
    /// What follows. May repeat events of the backlog: skip what is not newer than the last one seen.
    /// A receiver that lags behind the buffer is cut off (the client gets 410 and lists again).
    pub events: broadcast::Receiver<Arc<Event>>,
    /// The revision reached when the subscription was made.
    pub revision: u64,
}

/// The revision asked for has been compacted.
#[derive(Debug, Clone, Copy)]
pub struct Expired {
    /// The oldest revision still held.
    pub oldest: u64,
}
