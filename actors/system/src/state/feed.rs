//! The FeedActor: brings every commit, ours and other API servers', to the KindActors in order.
//!
//! Our own batches arrive from the writer with everything in hand. Whenever another writer came
//! in between, or a notification or the clock says so, the change log is read instead: the log
//! is the truth, the short cut only saves the round trip.

use super::{
    kind::{Delta, KindHandle, KindMsg},
    writer::Outcome,
};
use crate::hub::{Hub, News};
use podium_kinds::{Kind, by_resource};
use podium_machinery::state::Event;
use podium_store::{ChangeRow, Changes, Feed as Log, Listener, Span, StoreError, Wake};
use podium_supervision::{Ctx, Handle, Worker};
use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
    time::Duration,
};
use tokio::sync::oneshot;

/// How often the log is read when nothing says that it grew.
const POLL: Duration = Duration::from_millis(500);
/// Changes read at a time.
const PAGE: u32 = 2_000;

/// A batch that our writer committed. Its answers go out when it is dropped: the writes are
/// durable, whatever becomes of this message.
pub struct Committed {
    /// The revisions it took, statement by statement.
    pub spans: Vec<Span>,
    /// Whether it may have changed more than `deltas` says.
    pub in_doubt: bool,
    /// What it changed.
    pub deltas: Vec<(&'static Kind, Delta)>,
    /// Who waits for it.
    pub answers: Vec<(oneshot::Sender<Outcome>, Outcome)>,
}

impl Committed {
    /// The newest revision that it took; 0 where it took none.
    fn newest(&self) -> u64 {
        self.spans.last().map_or(0, |s| s.newest)
    }
    /// Whether it says all there is after `since`.
    fn follows(&self, since: u64) -> bool {
        !self.in_doubt && self.spans.iter().try_fold(since, |at, s| (s.base == at).then_some(s.newest)).is_some()
    }
}

impl Drop for Committed {
    fn drop(&mut self) {
        for (reply, outcome) in self.answers.drain(..) {
            let _ = reply.send(outcome);
        }
    }
}

/// Sends to the FeedActor.
#[derive(Clone, Default)]
pub struct FeedHandle(pub Handle<FeedActor>);

impl FeedHandle {
    /// Hands over a batch; if the feed is being rebuilt it reads it from the log.
    pub fn committed(&self, committed: Committed) {
        let _ = self.0.tell(committed);
    }
}

/// See the module.
pub struct FeedActor {
    hub: Arc<Hub>,
    kinds: Arc<HashMap<&'static str, KindHandle>>,
    log: Option<Log>,
    applied: u64,
    behind: Vec<Committed>,
    reading: bool,
}

impl FeedActor {
    /// The actor that feeds `kinds` (by storage name).
    pub fn new(hub: Arc<Hub>, kinds: Arc<HashMap<&'static str, KindHandle>>) -> Self {
        Self { hub, kinds, log: None, applied: 0, behind: Vec::new(), reading: false }
    }

    fn take(&mut self, mut committed: Committed, ctx: &mut Ctx<'_, Self>) {
        if committed.newest() <= self.applied && !committed.in_doubt {
            return;
        }
        if committed.follows(self.applied) && !self.reading {
            let (deltas, newest) = (mem::take(&mut committed.deltas), committed.newest());
            return self.apply(deltas, newest, committed, ctx);
        }
        self.behind.push(committed);
        self.read(ctx);
    }

    /// Reads the log from where we are, until nothing is new.
    fn read(&mut self, ctx: &mut Ctx<'_, Self>) {
        if mem::replace(&mut self.reading, true) {
            return;
        }
        let Some(mut log) = self.log.take() else { return ctx.fail("no log to read") };
        let applied = self.applied;
        let page = async move {
            let page = log.changes_since(applied, PAGE).await;
            (log, page)
        };
        ctx.wait(page, |feed, (log, page): (Log, Result<Changes, StoreError>), ctx| {
            feed.reading = false;
            feed.log = Some(log);
            match page {
                Ok(page) => {
                    let upto = page.reached;
                    let (done, behind): (Vec<_>, Vec<_>) =
                        mem::take(&mut feed.behind).into_iter().partition(|c| c.newest() <= upto);
                    feed.behind = behind;
                    if upto > feed.applied {
                        let deltas = page.rows.into_iter().filter_map(delta).collect();
                        feed.apply(deltas, upto, done, ctx);
                    }
                    if page.more || !feed.behind.is_empty() {
                        feed.read(ctx);
                    }
                }
                Err(error @ (StoreError::Compacted { .. } | StoreError::Replaced { .. })) => {
                    // What the snapshots hold leads nowhere any more: load everything again.
                    ctx.fail(error.to_string());
                }
                // The poll tries again; who waits is answered, for their writes are durable.
                Err(_) => feed.behind.clear(),
            }
        });
    }

    /// Brings the deltas to the KindActors, then publishes; `answers` are dropped, and so sent, last.
    fn apply<A: 'static>(
        &mut self,
        deltas: Vec<(&'static Kind, Delta)>,
        upto: u64,
        answers: A,
        ctx: &mut Ctx<'_, Self>,
    ) {
        self.applied = upto;
        let mut by_kind: BTreeMap<&'static str, (&'static Kind, Vec<Delta>)> = BTreeMap::new();
        for (kind, delta) in deltas {
            by_kind.entry(kind.resource).or_insert_with(|| (kind, Vec::new())).1.push(delta);
        }
        let mut folding = Vec::with_capacity(by_kind.len());
        for (resource, (kind, deltas)) in by_kind {
            let (answer, events) = oneshot::channel();
            let shelf = self.hub.shelf(kind);
            let resets = shelf.resets();
            // Not taken, the answer is dropped: below that is the same as a KindActor that died over it.
            let _ = self.kinds.get(resource).map(|k| k.tell(KindMsg::Apply(deltas, answer)));
            folding.push((kind, events, shelf, resets));
        }
        let hub = self.hub.clone();
        ctx.wait(
            async move {
                let mut all: Vec<(&'static Kind, Arc<Event>)> = Vec::new();
                for (kind, events, shelf, resets) in folding {
                    match events.await {
                        Ok(events) => all.extend(events.into_iter().map(|e| (kind, e))),
                        // Its next life loads these from the database; what has been reached says so only then.
                        Err(_) => shelf.loaded_after(resets).await,
                    }
                }
                all.sort_by_key(|(_, e)| e.revision);
                hub.set_applied(upto);
                // No receiver: no controllers yet.
                let _ = hub.firehose.send(News::Events(Arc::new(all), upto));
                drop(answers);
            },
            |_, (), _| {},
        );
    }
}

fn delta(row: ChangeRow) -> Option<(&'static Kind, Delta)> {
    let kind = by_resource(&row.resource)?;
    Some((kind, Delta { change: row.change, revision: row.revision, object: row.object }))
}

impl Worker for FeedActor {
    type Msg = Committed;
    const CAPACITY: usize = 8192;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let hub = self.hub.clone();
        let begin = async move {
            let database = hub.database().ok_or("no database yet")?;
            let log = Log::new(&database);
            let revision = log.current_revision().await.map_err(|e| e.to_string())?;
            let listener = Listener::open(&database).await.map_err(|e| e.to_string())?;
            Ok::<_, String>((log, revision, listener))
        };
        ctx.wait(begin, |feed, outcome, ctx| match outcome {
            Ok((log, revision, listener)) => {
                feed.log = Some(log);
                feed.applied = revision;
                listen(listener, ctx);
                ctx.ready();
                // The KindActors begin after this actor, and load at least what there is now.
                let shelves: Vec<_> = feed.hub.stored().map(|shelf| (shelf.resets(), shelf)).collect();
                let hub = feed.hub.clone();
                let loaded = async move {
                    for (resets, shelf) in shelves {
                        shelf.loaded_after(resets).await;
                    }
                    hub.set_applied(revision);
                };
                ctx.wait(loaded, |_, (), _| {});
            }
            Err(why) => ctx.fail(why),
        });
    }

    fn handle(&mut self, committed: Committed, ctx: &mut Ctx<'_, Self>) {
        self.take(committed, ctx);
    }
}

/// Reads the log whenever another API server says that it wrote, and now and then in any case.
fn listen(mut listener: Listener, ctx: &mut Ctx<'_, FeedActor>) {
    let next = async move {
        let heard = listener.wait(POLL).await;
        (listener, heard)
    };
    ctx.spawn(next, |feed, (listener, heard), ctx| {
        let ours = matches!(heard, Wake::Committed { writer, revision }
            if writer == feed.hub.writer_id() || revision <= feed.applied);
        if !ours {
            feed.read(ctx);
        }
        listen(listener, ctx);
    });
}
