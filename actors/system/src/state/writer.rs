//! The WriterActor: collects what waits to be written and commits it in one batch.
//!
//! While one batch is on its way to the disk the next one fills, so the more clients write,
//! the larger the batches (group commit).

use super::{feed::{Committed, FeedHandle}, kind::Delta};
use crate::hub::Hub;
use podium_machinery::state::{Action, Change, Object, Write, WriteError};
use podium_store::{Batch, StoreError, Writer};
use podium_supervision::{Ctx, Handle, Worker};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::oneshot;

/// Writes in one batch at most.
const MAX_BATCH: usize = 256;
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
        let (writes, replies): (Vec<_>, Vec<_>) = self.waiting.drain(..size).map(|m| (m.write, m.reply)).unzip();
        let commit = async move {
            let batch = writer.commit(&writes).await;
            (writer, batch, writes, replies)
        };
        ctx.spawn(commit, |actor, (writer, batch, writes, replies), ctx| {
            actor.writer = Some(writer);
            match batch {
                Ok(batch) => actor.committed(batch, writes, replies),
                Err(error) => {
                    let answer = match &error {
                        StoreError::Unknown(_) => WriteError::Unknown,
                        _ => WriteError::Unavailable,
                    };
                    for reply in replies {
                        let _ = reply.send(Err(answer.clone()));
                    }
                    return ctx.fail(format!("writing: {error}"));
                }
            }
            actor.flush(ctx);
        });
    }

    fn committed(&mut self, batch: Batch, writes: Vec<Write>, replies: Vec<oneshot::Sender<Outcome>>) {
        let mut deltas = Vec::with_capacity(writes.len());
        let mut answers = Vec::with_capacity(writes.len());
        for ((write, outcome), reply) in writes.into_iter().zip(batch.outcomes).zip(replies) {
            match outcome {
                Ok(revision) => {
                    let kind = write.kind;
                    let (change, uid, body) = match write.action {
                        Action::Create { uid, body } => (Change::Added, uid, body),
                        Action::Update { uid, body, .. } => (Change::Modified, uid, body),
                        Action::Delete { uid, body, .. } => (Change::Deleted, uid, body),
                    };
                    let object = Arc::new(Object::new(write.key, uid, revision, body.labels, &body.text));
                    deltas.push((kind, Delta { change, object: object.clone(), revision }));
                    answers.push((reply, Ok(object)));
                }
                Err(error) => answers.push((reply, Err(error))),
            }
        }
        self.feed.committed(Committed { base: batch.base, newest: batch.newest, deltas, answers });
    }
}

impl Worker for WriterActor {
    type Msg = WriterMsg;
    const CAPACITY: usize = 8192;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let Some(database) = self.hub.database() else { return ctx.fail("no database yet") };
        let id = self.hub.writer_id();
        ctx.wait(async move { Writer::open(database, id).await }, |actor, outcome, ctx| match outcome {
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
