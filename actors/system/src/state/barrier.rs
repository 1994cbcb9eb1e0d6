//! The BarrierActor: answers "has memory reached what the database had committed?"
//!
//! All who ask while a query is under way share the next one, so consistent reads cost one
//! round trip per batch of readers.

use crate::hub::Hub;
use podium_store::Feed;
use podium_supervision::{Ctx, Handle, Worker};
use std::{mem, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Longest wait of a consistent read for the database; then memory has to do.
const PATIENCE: Duration = Duration::from_millis(500);

/// Someone who waits for a consistent revision.
pub type Ask = oneshot::Sender<u64>;
/// Sends to the BarrierActor.
pub type BarrierHandle = Handle<BarrierActor>;

/// See the module.
pub struct BarrierActor {
    hub: Arc<Hub>,
    waiting: Vec<Ask>,
    asking: bool,
}

impl BarrierActor {
    /// The actor for `hub`.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, waiting: Vec::new(), asking: false }
    }

    fn ask(&mut self, ctx: &mut Ctx<'_, Self>) {
        if self.asking || self.waiting.is_empty() {
            return;
        }
        self.asking = true;
        let asks = mem::take(&mut self.waiting);
        let hub = self.hub.clone();
        let query = async move {
            let reached = async { Feed::new(&hub.database()?).current_revision().await.ok() };
            let revision = tokio::time::timeout(PATIENCE, reached).await.ok().flatten();
            (hub, revision, asks)
        };
        ctx.spawn(query, |actor, (hub, revision, asks), ctx| {
            actor.asking = false;
            // Waiting for the feed goes on beside the next query.
            actix_rt::spawn(async move {
                let reached = match revision {
                    Some(revision) => {
                        let _ = tokio::time::timeout(PATIENCE, hub.reached(revision)).await;
                        revision.max(hub.applied())
                    }
                    None => hub.applied(),
                };
                for ask in asks {
                    let _ = ask.send(reached);
                }
            });
            actor.ask(ctx);
        });
    }
}

impl Worker for BarrierActor {
    type Msg = Ask;
    const CAPACITY: usize = 8192;

    fn handle(&mut self, ask: Ask, ctx: &mut Ctx<'_, Self>) {
        self.waiting.push(ask);
        self.ask(ctx);
    }
}
