//! A KindActor per kind: folds committed changes into snapshots and hands them to watchers.

use super::feed::FeedHandle;
use crate::shelf::Shelf;
use podium_machinery::state::{Change, Event, Object, Snapshot};
use podium_supervision::{Ctx, Handle, Worker};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

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
pub struct Loaded {
    /// Its objects.
    pub snapshot: Snapshot,
    /// Recent changes are complete after this revision.
    pub since: u64,
    /// Recent changes, oldest first.
    pub events: Vec<Arc<Event>>,
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
    shelf: Arc<Shelf>,
    feed: FeedHandle,
}

/// How long a new KindActor waits for the feed.
const PATIENCE: Duration = Duration::from_secs(10);

impl KindActor {
    /// The actor that fills `shelf` from `feed`.
    pub fn new(shelf: Arc<Shelf>, feed: FeedHandle) -> Self {
        Self { shelf, feed }
    }
}

impl Worker for KindActor {
    type Msg = KindMsg;
    const CAPACITY: usize = 1024;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        if self.shelf.kind.live {
            return ctx.ready();
        }
        let (feed, kind) = (self.feed.clone(), self.shelf.kind);
        ctx.wait(async move { feed.load(kind, PATIENCE).await }, |actor, loaded, ctx| match loaded {
            Ok(loaded) => {
                actor.shelf.reset(loaded.snapshot, loaded.since, loaded.events);
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
