//! The database: pool, schema, readiness, incarnation.

use crate::{SealingKey, StoreError, Watermark};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Row,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// How long [`Database::ping`] waits.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle connections of the pool go after this time: each is a process of PostgreSQL.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How to use a database.
#[derive(Clone)]
pub struct Options {
    /// Most connections of the pool, at least 3 (feed, listener, maintenance); a writer has its own.
    pub max_connections: u32,
    /// Longest wait for a connection.
    pub acquire_timeout: Duration,
    /// Key of sealed kinds; without it they are refused.
    pub sealing: Option<Arc<SealingKey>>,
    /// Free space under which writes stop; only where the database is on this machine.
    pub watermark: Option<Watermark>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_connections: 6, acquire_timeout: Duration::from_secs(5), sealing: None, watermark: None }
    }
}

/// A PostgreSQL database that holds a cluster's state. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    connect: PgConnectOptions,
    options: Options,
    ready: AtomicBool,
}

impl Database {
    /// Connects, or says why it cannot.
    ///
    /// # Errors
    /// A bad URL, or a database that does not answer within `acquire_timeout`.
    pub async fn connect(url: &str, options: Options) -> Result<Self, StoreError> {
        let connect = PgConnectOptions::from_str(url)?.application_name("podium").disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections.max(3))
            .min_connections(0)
            .idle_timeout(IDLE_TIMEOUT)
            .acquire_timeout(options.acquire_timeout)
            .connect_with(connect.clone())
            .await?;
        Ok(Self { inner: Arc::new(Inner { pool, connect, options, ready: AtomicBool::new(true) }) })
    }

    /// Brings the schema up to date, notices a restored or failed-over database, makes
    /// partitions ahead. Safe to run by several servers at once.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut conn = self.dedicated().await?;
        // The default path begins with a schema of the user's name, and the user may well be
        // `podium`: the table of applied migrations must not move once that schema exists.
        sqlx::raw_sql("SET search_path = public").execute(&mut conn).await?;
        MIGRATIONS.run(&mut conn).await?;
        check_incarnation(&mut conn).await?;
        conn.close().await?;
        self.add_partitions().await
    }

    /// Asks the database for a sign of life, and remembers the answer for [`Database::is_ready`].
    ///
    /// # Errors
    /// [`StoreError::Timeout`], or why it cannot be reached.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let answer = timeout(PING_TIMEOUT, sqlx::query("SELECT 1").execute(self.pool())).await;
        self.set_ready(matches!(answer, Ok(Ok(_))));
        answer.map_err(|_| StoreError::Timeout(PING_TIMEOUT))??;
        Ok(())
    }

    /// Whether the database answered when last asked.
    pub fn is_ready(&self) -> bool {
        self.inner.ready.load(Ordering::Relaxed)
    }

    /// Which life of the database this is; caches of another one are worth nothing.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn incarnation(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query("SELECT incarnation FROM store.rev").fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// Closes the pool's connections; those in use when they are given back.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.inner.pool
    }
    pub(crate) fn set_ready(&self, ready: bool) {
        self.inner.ready.store(ready, Ordering::Relaxed);
    }
    pub(crate) fn sealing(&self) -> Option<&SealingKey> {
        self.inner.options.sealing.as_deref()
    }
    pub(crate) fn watermark(&self) -> Option<&Watermark> {
        self.inner.options.watermark.as_ref()
    }
    /// A connection of one's own, outside the pool.
    pub(crate) async fn dedicated(&self) -> Result<PgConnection, sqlx::Error> {
        self.inner.connect.connect().await
    }
}

/// Starts a new incarnation where the data is on another system or timeline than it was
/// (restored, or a promoted standby that may lack the newest writes): caches must load again,
/// and the revision jumps over any that clients may have seen.
pub(crate) async fn check_incarnation(conn: &mut PgConnection) -> Result<(), StoreError> {
    let origin = sqlx::query(
        "SELECT s.system_identifier::text || '/' || c.timeline_id
         FROM pg_control_system() s, pg_control_checkpoint() c",
    )
    .fetch_one(&mut *conn)
    .await;
    // Databases that only speak PostgreSQL's protocol have no control file.
    let Ok(origin) = origin else { return Ok(()) };
    let origin: String = origin.try_get(0)?;
    sqlx::query(
        "UPDATE store.rev SET origin = $1,
            incarnation = incarnation + (origin IS NOT NULL)::int,
            rv = CASE WHEN origin IS NULL THEN rv ELSE (rv / span + 1) * span END
         WHERE id = 1 AND origin IS DISTINCT FROM $1",
    )
    .bind(origin)
    .execute(conn)
    .await?;
    Ok(())
}
