//! Graceful shutdown: SIGPWR says that the machine is about to go. The node takes nothing in any more and is not Ready;
//! its pods end in groups, as `podium_lifecycle::shutdown` decides. What ends the machine waits for the word in the log.

use crate::{pods::PodSlot, shared::Shared};
use podium_lifecycle::{eviction::Eviction, shutdown};
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use std::{sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};

/// How often pods that are to end are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Pause before a signal is listened for again after that failed.
const RETRY: Duration = Duration::from_secs(10);

pub(crate) fn child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("shutdown", &Handle::new(), move || ShutdownActor { shared: shared.clone() })
}

struct ShutdownActor {
    shared: Arc<Shared>,
}

impl Worker for ShutdownActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.ready();
        // A new life goes on where the last one was.
        if *self.shared.shutting_down.borrow() {
            self.end_all(ctx);
        } else {
            Self::listen(ctx);
        }
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}
}

impl ShutdownActor {
    fn listen(ctx: &mut Ctx<'_, Self>) {
        let word = async {
            let mut power = signal(SignalKind::from_raw(libc::SIGPWR))?;
            power.recv().await;
            Ok::<_, std::io::Error>(())
        };
        ctx.spawn(word, |me: &mut Self, outcome, ctx| match outcome {
            Err(error) => {
                tracing::warn!(%error, "listening for SIGPWR");
                ctx.later(RETRY, |_, ctx| Self::listen(ctx));
            }
            Ok(()) if me.shared.settings.shutdown_stages().is_empty() => {
                tracing::warn!("SIGPWR has no effect: no shutdownGracePeriod is set");
                Self::listen(ctx);
            }
            Ok(()) => {
                tracing::warn!("the node is shutting down");
                me.shared.shutting_down.send_replace(true);
                me.end_all(ctx);
            }
        });
    }

    fn end_all(&mut self, ctx: &mut Ctx<'_, Self>) {
        let shared = self.shared.clone();
        ctx.spawn(async move { end_all(&shared).await }, |_, (), _| {
            tracing::warn!("the node's pods have ended; the machine may go");
        });
    }
}

async fn end_all(shared: &Shared) {
    let slots = shared.pods.list().into_iter().filter(|slot| !slot.ended());
    let priority = |slot: &PodSlot| slot.pod.load().spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0);
    let pods = slots.map(|slot| (priority(&slot), slot)).collect();
    for (stage, group) in shutdown::plan(pods, &shared.settings.shutdown_stages()) {
        tracing::warn!("ending {} pods of priority {} and above", group.len(), stage.priority);
        for slot in &group {
            slot.evict(Eviction {
                reason: shutdown::TERMINATED,
                message: shutdown::MESSAGE.to_owned(),
                grace_seconds: stage.grace_seconds,
            });
        }
        let grace = Duration::from_secs(u64::try_from(stage.grace_seconds).unwrap_or(0));
        let until = Instant::now() + grace;
        let gone = |slot: &Arc<PodSlot>| slot.ended() || shared.pods.get(&slot.uid).is_none();
        while !group.iter().all(gone) && Instant::now() < until {
            sleep(LOOK).await;
        }
    }
}
