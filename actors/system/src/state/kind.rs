//! A KindActor per kind: folds committed changes into snapshots and hands them to watchers.
//!
//! A new life loads its kind from the database by itself: the feed may be waiting for this actor, and must not be
//! waited for. What the feed sends meanwhile stays in the mailbox, and what of it was loaded already is skipped.

use crate::{
    hub::{Hub, News},
    shelf::{BACKLOG, Shelf},
};
use podium_kinds::Kind;
use podium_machinery::state::{Change, Event, Object, Snapshot};
use podium_store::{Database, Feed as Log, StoreError};
use podium_supervision::{Ctx, Handle, Worker};
use podium_types::Key;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Changes of all kinds read back for the watches of a kind that starts over.
const HISTORY: u32 = (BACKLOG / 2) as u32;
/// How long loading a kind may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One committed change of an object, before the actor knows what it was before.
pub struct Delta {
    /// What happened.
    pub change: Change,
    /// The object after it; its last state, for a deletion.
    pub object: Arc<Object>,
    /// The revision of the change.
    pub revision: u64,
}

impl Delta {
    /// From a committed event, whose `previous` only the KindActor knows.
    pub fn of(event: Event) -> Self {
        Self { change: event.change, object: event.object, revision: event.revision }
    }
}

/// A kind as the database holds it.
struct Loaded {
    snapshot: Snapshot,
    /// Recent changes are complete after this revision.
    since: u64,
    /// Recent changes, oldest first.
    events: Vec<Arc<Event>>,
}

/// What a KindActor hears.
pub enum KindMsg {
    /// Changes to fold in; the answer is the events they made.
    Apply(Vec<Delta>, oneshot::Sender<Vec<Arc<Event>>>),
    /// History up to this revision is gone.
    Compact(u64),
}

/// Sends to a KindActor.
pub type KindHandle = Handle<KindActor>;

/// See the module.
pub struct KindActor {
    hub: Arc<Hub>,
    shelf: Arc<Shelf>,
}

impl KindActor {
    /// The actor that fills the shelf of `kind`.
    pub fn new(hub: Arc<Hub>, kind: &'static Kind) -> Self {
        let shelf = hub.shelf(kind);
        Self { hub, shelf }
    }
}

impl Worker for KindActor {
    type Msg = KindMsg;
    const CAPACITY: usize = 1024;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        if self.shelf.kind.live {
            return ctx.ready();
        }
        let (hub, kind) = (self.hub.clone(), self.shelf.kind);
        let loading = async move {
            let database = hub.database().ok_or("no database")?;
            let loaded = tokio::time::timeout(PATIENCE, load(&database, kind)).await;
            loaded.map_err(|_| format!("{} were not loaded in time", kind.plural))?.map_err(|e| e.to_string())
        };
        ctx.wait(loading, |actor, loaded: Result<Loaded, String>, ctx| match loaded {
            Ok(loaded) => {
                actor.shelf.reset(loaded.snapshot, loaded.since, loaded.events);
                // No receiver: no controllers yet.
                let _ = actor.hub.firehose.send(News::Reset);
                ctx.ready();
            }
            Err(why) => ctx.fail(why),
        });
    }

    fn handle(&mut self, msg: KindMsg, _ctx: &mut Ctx<'_, Self>) {
        match msg {
            KindMsg::Apply(deltas, answer) => {
                let mut snapshot = Snapshot::clone(&self.shelf.snapshot());
                let mut events = Vec::with_capacity(deltas.len());
                // What a reload brought already is not news.
                for delta in deltas.into_iter().filter(|d| d.revision > self.shelf.snapshot().revision) {
                    let previous = snapshot.get(&delta.object.key).cloned();
                    let event = Arc::new(Event::new(delta.change, delta.revision, delta.object, previous));
                    snapshot.apply(&event);
                    events.push(event);
                }
                if !events.is_empty() {
                    self.shelf.publish(snapshot, &events);
                }
                let _ = answer.send(events);
            }
            KindMsg::Compact(floor) => self.shelf.compact(floor),
        }
    }
}

/// A kind's objects, and as much of its recent history as watches may ask for.
async fn load(database: &Database, kind: &'static Kind) -> Result<Loaded, StoreError> {
    let mut log = Log::new(database);
    let loaded = log.load(kind).await?;
    let mut snapshot = Snapshot { revision: loaded.revision, ..Snapshot::default() };
    for (_, object) in loaded.objects {
        snapshot.objects.insert_mut(object.key.clone(), object);
    }
    let since = log.floor().await?.max(loaded.revision.saturating_sub(u64::from(HISTORY)));
    let changes = log.changes_of(kind, since, HISTORY).await?;
    let mut before: HashMap<Key, Arc<Object>> = HashMap::new();
    let mut events = Vec::new();
    for row in changes.rows.into_iter().filter(|r| r.revision <= loaded.revision) {
        let previous = before.insert(row.object.key.clone(), row.object.clone()).or(row.previous);
        events.push(Arc::new(Event::new(row.change, row.revision, row.object, previous)));
    }
    Ok(Loaded { snapshot, since, events })
}
