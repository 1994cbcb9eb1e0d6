//! The WriterActor: collects what waits to be written and commits it in one batch.
//!
//! While one batch is on its way to the disk the next one fills, so the more clients write,
//! the larger the batches (group commit).

use super::{
    feed::{Committed, FeedHandle},
    kind::Delta,
};
use crate::hub::Hub;
use podium_kinds::by_resource;
use podium_machinery::state::{Object, Write, WriteError};
use podium_store::{Batch, MAX_BATCH, StoreError, Writer};
use podium_supervision::{Ctx, Handle, Worker};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::oneshot;

/// Writes that may wait beside those in the mailbox.
const MAX_WAITING: usize = 8192;

/// The answer to a write.
pub type Outcome = Result<Arc<Object>, WriteError>;

/// A write and where its outcome goes.
pub struct WriterMsg {
    /// What to write.
    pub write: Write,
    /// Hears the outcome once the kind's snapshot holds it.
    pub reply: oneshot::Sender<Outcome>,
}

/// Sends to the WriterActor.
pub type WriterHandle = Handle<WriterActor>;

/// See the module.
pub struct WriterActor {
    hub: Arc<Hub>,
    feed: FeedHandle,
    writer: Option<Writer>,
    waiting: VecDeque<WriterMsg>,
}

impl WriterActor {
    /// The actor that writes to the hub's database and tells `feed`.
    pub fn new(hub: Arc<Hub>, feed: FeedHandle) -> Self {
        Self { hub, feed, writer: None, waiting: VecDeque::new() }
    }

    fn flush(&mut self, ctx: &mut Ctx<'_, Self>) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(mut writer) = self.writer.take() else { return };
        let size = self.waiting.len().min(MAX_BATCH);
        let (writes, replies): (Vec<Write>, Vec<_>) = self.waiting.drain(..size).map(|m| (m.write, m.reply)).unzip();
        let commit = async move {
            let batch = writer.commit(&writes).await;
            (writer, batch, replies)
        };
        ctx.spawn(commit, |actor, (writer, batch, replies), ctx| {
            actor.writer = Some(writer);
            let fault = actor.committed(batch, replies);
            if let Some(StoreError::Fenced) = fault {
                return ctx.fail("fenced by another writer of this id");
            }
            if let Some(fault) = fault {
                tracing::warn!(%fault, "a batch was not committed whole");
            }
            actor.flush(ctx);
        });
    }

    /// Tells the feed; the replies go out once the snapshots hold the batch.
    fn committed(&mut self, batch: Batch, replies: Vec<oneshot::Sender<Outcome>>) -> Option<StoreError> {
        let (spans, in_doubt) = (batch.spans, batch.fault.is_some());
        let deltas =
            batch.events.into_iter().filter_map(|c| Some((by_resource(c.resource)?, Delta::of(c.event)))).collect();
        let answers = replies.into_iter().zip(batch.outcomes).collect();
        self.feed.committed(Committed { spans, in_doubt, deltas, answers });
        batch.fault
    }
}

impl Worker for WriterActor {
    type Msg = WriterMsg;
    const CAPACITY: usize = 8192;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let Some(database) = self.hub.database() else { return ctx.fail("no database yet") };
        let id = self.hub.writer_id();
        ctx.wait(async move { Writer::open(&database, id).await }, |actor, outcome, ctx| match outcome {
            Ok(writer) => {
                actor.writer = Some(writer);
                ctx.ready();
            }
            Err(error) => ctx.fail(format!("registering as a writer: {error}")),
        });
    }

    fn handle(&mut self, msg: WriterMsg, ctx: &mut Ctx<'_, Self>) {
        if self.waiting.len() >= MAX_WAITING {
            let _ = msg.reply.send(Err(WriteError::Overloaded));
            return;
        }
        self.waiting.push_back(msg);
        self.flush(ctx);
    }
}

impl Drop for WriterActor {
    fn drop(&mut self) {
        // These were never sent to the database. Those in flight are answered by their dropped
        // reply: their outcome is unknown.
        for msg in self.waiting.drain(..) {
            let _ = msg.reply.send(Err(WriteError::Unavailable));
        }
    }
}
