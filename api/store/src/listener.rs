//! Notifications of commits: an accelerator, not a need.
//!
//! They are lost while the connection is down, and some databases have none: whoever
//! listens also polls, at the interval that it gives to [`Listener::wait`].

use crate::{Database, StoreError};
use sqlx::{postgres::PgListener, types::Uuid};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Name of the channel, as in `commit.sql`.
const CHANNEL: &str = "podium";
/// Pause before listening again after an error.
const PAUSE: Duration = Duration::from_millis(200);

/// Why [`Listener::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Somebody committed; of several notifications waiting, the newest.
    Committed {
        /// Who: the id given to [`crate::Writer::open`].
        writer: Uuid,
        /// Newest revision.
        revision: u64,
    },
    /// Notifications may have been lost: read the feed.
    Reconnected,
    /// Nothing was heard: read the feed all the same.
    Elapsed,
}

/// Waits for commits.
pub struct Listener {
    db: Database,
    inner: Option<PgListener>,
}

impl Listener {
    /// A listener of this database; it holds one connection of the pool.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn open(db: &Database) -> Result<Self, StoreError> {
        let mut listener = Self { db: db.clone(), inner: None };
        listener.inner = Some(listener.listen().await?);
        Ok(listener)
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let mut inner = PgListener::connect_with(self.db.pool()).await?;
        inner.ignore_pool_close_event(true);
        inner.eager_reconnect(false);
        inner.listen(CHANNEL).await?;
        Ok(inner)
    }

    /// Waits for a commit, at most `at_most`. Reconnects by itself. Cancel-safe.
    pub async fn wait(&mut self, at_most: Duration) -> Wake {
        let deadline = Instant::now() + at_most;
        timeout_at(deadline, self.next()).await.unwrap_or(Wake::Elapsed)
    }

    async fn next(&mut self) -> Wake {
        loop {
            let Some(inner) = &mut self.inner else {
                match self.listen().await {
                    Ok(inner) => {
                        self.inner = Some(inner);
                        return Wake::Reconnected;
                    }
                    Err(_) => {
                        sleep(PAUSE).await;
                        continue;
                    }
                }
            };
            let Ok(Some(mut note)) = inner.try_recv().await else {
                self.inner = None;
                continue;
            };
            while let Some(newer) = inner.next_buffered() {
                note = newer;
            }
            if let Some((writer, revision)) = parse(note.payload()) {
                return Wake::Committed { writer, revision };
            }
        }
    }
}

/// Reads `writer revision`; anything else on the channel is not ours.
fn parse(payload: &str) -> Option<(Uuid, u64)> {
    let (writer, revision) = payload.split_once(' ')?;
    Some((writer.parse().ok()?, revision.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_payloads_are_read() {
        let id = Uuid::from_u128(7);
        assert_eq!(parse(&format!("{id} 12")), Some((id, 12)));
        for other in ["", "12", "x 12", "00000000-0000-0000-0000-000000000007 -1"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
