//! The PoolActor: connects to PostgreSQL, migrates, and watches whether it answers.

use crate::hub::Hub;
use podium_store::{Database, Options, StoreError};
use podium_supervision::{Ctx, Worker};
use std::{mem, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long a database that starts is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(20);
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
        let options = Options { sealing, ..Options::default() };
        ctx.wait(async move { connect(&url, &options).await }, |actor, outcome, ctx| match outcome {
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

/// Connects as soon as there is a database: it starts beside us.
async fn connect(url: &str, options: &Options) -> Result<Database, StoreError> {
    let deadline = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match Database::connect(url, options.clone()).await {
            Ok(database) => {
                database.migrate().await?;
                return Ok(database);
            }
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(error) => {
                if !mem::replace(&mut told, true) {
                    tracing::info!(%error, "waiting for PostgreSQL");
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

impl Drop for PoolActor {
    fn drop(&mut self) {
        self.hub.set_ready(false);
    }
}
