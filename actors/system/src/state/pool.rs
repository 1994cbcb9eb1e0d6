//! The PoolActor: connects to PostgreSQL, migrates, and watches whether it answers.

use crate::hub::Hub;
use podium_store::{Database, Options};
use podium_supervision::{Ctx, Worker};
use std::{sync::Arc, time::Duration};

/// How often the database is asked whether it lives.
const PING: Duration = Duration::from_secs(1);
/// Pings that may fail in a row before the pool is built anew.
const MISSED: u32 = 3;

/// See the module.
pub struct PoolActor {
    hub: Arc<Hub>,
    url: String,
    missed: u32,
}

impl PoolActor {
    /// The actor that keeps `hub` supplied with a database.
    pub fn new(hub: Arc<Hub>, url: String) -> Self {
        Self { hub, url, missed: 0 }
    }

    fn ping_later(&self, ctx: &mut Ctx<'_, Self>) {
        ctx.later(PING, |actor, ctx| {
            let database = actor.hub.database();
            let ping = async move {
                match database {
                    Some(database) => database.ping().await.is_ok(),
                    None => false,
                }
            };
            ctx.spawn(ping, |actor, alive, ctx| {
                actor.hub.set_ready(alive);
                actor.missed = if alive { 0 } else { actor.missed + 1 };
                if actor.missed >= MISSED {
                    return ctx.fail("the database does not answer");
                }
                actor.ping_later(ctx);
            });
        });
    }
}

impl Worker for PoolActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let (url, sealing) = (self.url.clone(), Some(self.hub.sealing_key()));
        let connect = async move {
            let database = Database::connect(&url, Options { sealing, ..Options::default() }).await?;
            database.migrate().await?;
            Ok::<_, podium_store::StoreError>(database)
        };
        ctx.wait(connect, |actor, outcome, ctx| match outcome {
            Ok(database) => {
                actor.hub.set_database(Some(database));
                actor.ping_later(ctx);
                ctx.ready();
            }
            Err(error) => ctx.fail(format!("connecting to PostgreSQL: {error}")),
        });
    }

    fn handle(&mut self, (): (), _ctx: &mut Ctx<'_, Self>) {}
}

impl Drop for PoolActor {
    fn drop(&mut self) {
        self.hub.set_ready(false);
    }
}
