//! The KeeperActor: makes partitions ahead and compacts the change log.

use super::kind::{KindHandle, KindMsg};
use crate::hub::Hub;
use podium_store::Retain;
use podium_supervision::{Ctx, Worker};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// How long history is kept for those who query it.
const HISTORY: Duration = Duration::from_secs(24 * 3600);
/// How often history is compacted; Kubernetes does so every five minutes.
const EVERY: Duration = Duration::from_secs(300);

/// See the module.
pub struct KeeperActor {
    hub: Arc<Hub>,
    kinds: Arc<HashMap<&'static str, KindHandle>>,
}

impl KeeperActor {
    /// The actor that keeps the hub's database small and tells `kinds` what is gone.
    pub fn new(hub: Arc<Hub>, kinds: Arc<HashMap<&'static str, KindHandle>>) -> Self {
        Self { hub, kinds }
    }

    fn compact_later(&self, ctx: &mut Ctx<'_, Self>) {
        ctx.later(EVERY, |keeper, ctx| {
            let hub = keeper.hub.clone();
            let work = async move {
                let database = hub.database().ok_or("no database")?;
                database.compact(Retain::age(HISTORY)).await.map_err(|e| e.to_string())
            };
            ctx.spawn(work, |keeper, outcome, ctx| {
                match outcome {
                    Ok(compaction) => {
                        for kind in keeper.kinds.values() {
                            let _ = kind.tell(KindMsg::Compact(compaction.floor));
                        }
                    }
                    Err(why) => tracing::warn!(%why, "compaction"),
                }
                keeper.compact_later(ctx);
            });
        });
    }
}

impl Worker for KeeperActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        self.compact_later(ctx);
        ctx.ready();
    }
    fn handle(&mut self, (): (), _ctx: &mut Ctx<'_, Self>) {}
}
