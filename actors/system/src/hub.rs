//! What the parts of the control plane share: shelves, revision, database, handles.
//!
//! The hub decides nothing and holds no state that is not rebuilt by its owner: the shelves
//! belong to the KindActors, the revision to the feed, the database to the pool.

use crate::{
    live::{LiveActors, usage::LiveUsage},
    shelf::Shelf,
    state::{
        barrier::BarrierHandle,
        writer::{WriterHandle, WriterMsg},
    },
};
use arc_swap::ArcSwapOption;
use futures_util::{FutureExt, future::BoxFuture};
use podium_kinds::{KINDS, Kind};
use podium_machinery::state::{Event, Object, Snapshot, Write, WriteError};
use podium_server::backend::{Backend, Expired, Subscription};
use podium_store::{Database, SealingKey};
use podium_types::Timestamp;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::{broadcast, oneshot, watch};
use uuid::Uuid;

/// Batches that a reader of all events may lag behind before it starts over.
const FIREHOSE_LAG: usize = 4096;
/// How long a write waits for room in the writer's mailbox or for its next life.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);
/// How long a write may take altogether before its outcome counts as unknown.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// What readers of everything (the controllers' view) hear.
#[derive(Clone)]
pub enum News {
    /// Events in revision order, and the revision they reach.
    Events(Arc<Vec<(&'static Kind, Arc<Event>)>>, u64),
    /// A kind was loaded anew: start over from the snapshots.
    Reset,
}

/// See the module.
pub struct Hub {
    shelves: HashMap<&'static str, Arc<Shelf>>,
    applied: watch::Sender<u64>,
    database: ArcSwapOption<Database>,
    ready: AtomicBool,
    writer_id: Uuid,
    sealing_key: Arc<SealingKey>,
    /// Sends to the writer.
    pub writer: WriterHandle,
    /// Sends to the barrier.
    pub barrier: BarrierHandle,
    /// All events of all kinds.
    pub firehose: broadcast::Sender<News>,
    /// The actors as objects.
    pub live: LiveActors,
    /// What is used, as objects.
    pub usage: LiveUsage,
}

impl Hub {
    /// A hub without state yet; `live` makes the objects of live kinds.
    pub fn new(sealing_key: Arc<SealingKey>, live: LiveActors) -> Arc<Self> {
        Arc::new(Self {
            shelves: KINDS.iter().map(|k| (k.resource, Arc::new(Shelf::new(k)))).collect(),
            applied: watch::channel(0).0,
            database: ArcSwapOption::empty(),
            ready: AtomicBool::new(false),
            writer_id: Uuid::new_v4(),
            sealing_key,
            writer: WriterHandle::new(),
            barrier: BarrierHandle::new(),
            firehose: broadcast::channel(FIREHOSE_LAG).0,
            live,
            usage: LiveUsage::default(),
        })
    }
    /// The shelf of a kind.
    pub fn shelf(&self, kind: &'static Kind) -> Arc<Shelf> {
        // Every kind has one from the start; a kind from elsewhere reads as empty.
        self.shelves.get(kind.resource).cloned().unwrap_or_else(|| Arc::new(Shelf::new(kind)))
    }
    /// The objects of a kind that the database does not hold.
    fn made(&self, kind: &'static Kind) -> Arc<Snapshot> {
        if !LiveUsage::makes(kind) {
            return self.live.snapshot();
        }
        let of = podium_kinds::by_resource(kind.plural).map(|of| self.shelf(of).snapshot()).unwrap_or_default();
        self.usage.snapshot(kind, &of, self.applied(), self.now())
    }
    /// The shelves of all kinds that the database holds.
    pub fn stored(&self) -> impl Iterator<Item = Arc<Shelf>> {
        self.shelves.values().filter(|s| !s.kind.live).cloned()
    }
    /// The newest revision that every shelf has reached.
    pub fn applied(&self) -> u64 {
        *self.applied.borrow()
    }
    /// Says that every shelf has reached `revision`.
    pub fn set_applied(&self, revision: u64) {
        self.applied.send_if_modified(|r| std::mem::replace(r, revision.max(*r)) < revision);
    }
    /// Resolves when memory has reached `revision`.
    pub async fn reached(&self, revision: u64) {
        let mut applied = self.applied.subscribe();
        // The sender lives as long as the hub.
        let _ = applied.wait_for(|r| *r >= revision).await;
    }
    /// The database, where there is a connection.
    pub fn database(&self) -> Option<Database> {
        self.database.load_full().map(|d| Database::clone(&d))
    }
    /// Called by the pool.
    pub fn set_database(&self, database: Option<Database>) {
        self.database.store(database.map(Arc::new));
        self.set_ready(true);
    }
    /// Called by the pool: whether the database answers.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, SeqCst);
    }
    /// Whether every kind has been loaded.
    pub fn loaded(&self) -> bool {
        self.shelves.values().all(|s| s.kind.live || s.loaded())
    }
    /// This process as a writer, in all lives of its WriterActor.
    pub fn writer_id(&self) -> Uuid {
        self.writer_id
    }
    /// Seals what must not be readable in the database.
    pub fn sealing_key(&self) -> Arc<SealingKey> {
        self.sealing_key.clone()
    }
}

impl Backend for Hub {
    fn snapshot(&self, kind: &'static Kind) -> Arc<Snapshot> {
        if kind.live { self.made(kind) } else { self.shelf(kind).snapshot() }
    }
    fn snapshot_at(&self, kind: &'static Kind, revision: u64) -> Option<Arc<Snapshot>> {
        if kind.live { Some(self.snapshot(kind)) } else { self.shelf(kind).snapshot_at(revision) }
    }
    fn revision(&self) -> u64 {
        self.applied()
    }
    fn settle(&self) -> BoxFuture<'static, u64> {
        let (ask, answer) = oneshot::channel();
        let sent = self.barrier.tell(ask);
        let memory = self.applied();
        async move {
            match sent {
                Ok(()) => answer.await.unwrap_or(memory),
                Err(_) => memory,
            }
        }
        .boxed()
    }
    fn commit(&self, write: Write) -> BoxFuture<'static, Result<Arc<Object>, WriteError>> {
        if LiveUsage::makes(write.kind) {
            return async { Err(WriteError::Refused("usage is measured".to_owned())) }.boxed();
        }
        if write.kind.live {
            return self.live.clone().commit(write).boxed();
        }
        let writer = self.writer.clone();
        async move {
            let (reply, outcome) = oneshot::channel();
            match writer.send(WriterMsg { write, reply }, WRITE_PATIENCE).await {
                Ok(()) => {}
                Err(podium_supervision::SendError::Full) => return Err(WriteError::Overloaded),
                Err(podium_supervision::SendError::Gone) => return Err(WriteError::Unavailable),
            }
            match tokio::time::timeout(WRITE_DEADLINE, outcome).await {
                Ok(Ok(outcome)) => outcome,
                // The writer died with the write in flight, or nothing came back in time.
                Ok(Err(_)) | Err(_) => Err(WriteError::Unknown),
            }
        }
        .boxed()
    }
    fn watch(&self, kind: &'static Kind, since: u64) -> Result<Subscription, Expired> {
        match kind.live {
            // It has no verb `watch`.
            true if LiveUsage::makes(kind) => Err(Expired { oldest: self.applied() }),
            true => self.live.watch(since),
            false => self.shelf(kind).subscribe(since, self.applied()),
        }
    }
    fn refresh(&self, kind: &'static Kind) -> BoxFuture<'static, ()> {
        if LiveUsage::makes(kind) { self.usage.clone().refresh().boxed() } else { async {}.boxed() }
    }
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn uid(&self) -> String {
        Uuid::new_v4().to_string()
    }
    fn ready(&self) -> bool {
        self.ready.load(SeqCst) && self.loaded()
    }
}
