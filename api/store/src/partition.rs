//! Partitions of the change log: made ahead, dropped when old.
//!
//! A partition spans a fixed number of revisions, so its bounds follow from arithmetic. Old
//! ones are detached concurrently and dropped: neither waits for readers nor blocks writers,
//! where deleting rows would do both. Under few writes a partition would last for ever; so
//! compaction lets the revision jump to the next one when the current one gets old.

use crate::{Database, StoreError, row::revision};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::time::Duration;

/// Partitions made ahead of the one in use.
const AHEAD: i64 = 2;
/// The kept time is cut into about so many partitions.
const CUTS: u32 = 4;
/// Advisory locks of whoever makes or drops partitions; others leave it to them.
const MAKING: i64 = 0x0070_6f64_6975_6d01;
const DROPPING: i64 = 0x0070_6f64_6975_6d02;

/// What compaction keeps.
#[derive(Clone, Copy, Debug)]
pub struct Retain {
    /// History of this age is kept; a little more may be.
    pub age: Duration,
}

/// What compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Oldest revision that watches can now continue from.
    pub floor: u64,
    /// Partitions dropped.
    pub dropped: usize,
}

impl Database {
    /// Makes the partitions that the next writes need. A writer that finds one missing does
    /// this too, so it need not be called often: say each minute.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn add_partitions(&self) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MAKING).execute(&mut *tx).await?;
        let row = sqlx::query("SELECT rv, span FROM store.rev").fetch_one(&mut *tx).await?;
        let (rv, span): (i64, i64) = (row.try_get("rv")?, row.try_get("span")?);
        let current = rv / span;
        for number in current..=current + AHEAD {
            let (from, to) = (number * span, (number + 1) * span);
            let exists = sqlx::query("SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass($1)")
                .bind(format!("store.changes_{number}"))
                .fetch_optional(&mut *tx)
                .await?
                .is_some();
            if exists {
                continue;
            }
            // Made apart and attached: that takes a weaker lock than CREATE … PARTITION OF, so writes go on.
            sqlx::raw_sql(AssertSqlSafe(format!(
                "CREATE TABLE store.changes_{number} (LIKE store.changes INCLUDING ALL,
                     CHECK (rv >= {from} AND rv < {to}));
                 ALTER TABLE store.changes ATTACH PARTITION store.changes_{number} FOR VALUES FROM ({from}) TO ({to})"
            )))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Drops history that is older than what is to be kept; watches and reads of the past that
    /// reach behind the floor get [`StoreError::Compacted`] from then on. Objects themselves are
    /// never touched. One server at a time does it; the others return at once.
    ///
    /// # Errors
    /// What the database refuses; what is half done is finished next time.
    pub async fn compact(&self, retain: Retain) -> Result<Compaction, StoreError> {
        // Not from the pool: the lock belongs to the session, and must go with it.
        let mut conn = self.dedicated().await?;
        let locked = sqlx::query("SELECT pg_try_advisory_lock($1)").bind(DROPPING).fetch_one(&mut conn).await?;
        let mut dropped = 0;
        if locked.try_get(0)? {
            self.jump(&mut conn, retain.age / CUTS).await?;
            raise_floor(&mut conn, retain.age).await?;
            dropped = drop_partitions(&mut conn).await?;
        }
        let floor = sqlx::query("SELECT compacted FROM store.rev").fetch_one(&mut conn).await?;
        Ok(Compaction { floor: revision(&floor, "compacted")?, dropped })
    }

    /// Begins a new partition if the current one's first change is older than `age`.
    async fn jump(&self, conn: &mut PgConnection, age: Duration) -> Result<(), StoreError> {
        self.add_partitions().await?;
        let old = sqlx::query(
            "SELECT r.rv / r.span AS current FROM store.rev r
             WHERE (SELECT c.at FROM store.changes c WHERE c.rv >= r.rv / r.span * r.span ORDER BY c.rv LIMIT 1)
                   <= now() - make_interval(secs => $1)",
        )
        .bind(age.as_secs_f64())
        .fetch_optional(&mut *conn)
        .await?;
        let Some(old) = old else { return Ok(()) };
        sqlx::query("UPDATE store.rev SET rv = (rv / span + 1) * span WHERE id = 1 AND rv / span = $1")
            .bind(old.try_get::<i64, _>("current")?)
            .execute(conn)
            .await?;
        self.add_partitions().await
    }
}

/// Moves the floor above every partition whose newest change is old enough. From here on
/// nobody may rely on them, so that they can go in any order and at any time.
async fn raise_floor(conn: &mut PgConnection, age: Duration) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT rv, span, compacted FROM store.rev").fetch_one(&mut *conn).await?;
    let (rv, span, compacted): (i64, i64, i64) = (row.try_get("rv")?, row.try_get("span")?, row.try_get("compacted")?);
    let mut floor = compacted;
    for (number, attached) in partitions(conn).await? {
        // The partition in use, and those ahead of it.
        if number >= rv / span {
            break;
        }
        let last = (number + 1) * span - 1;
        if last <= floor || !attached {
            continue;
        }
        let young = sqlx::query(
            "SELECT 1 WHERE (SELECT at FROM store.changes WHERE rv <= $1 AND rv > $2 ORDER BY rv DESC LIMIT 1)
                          > now() - make_interval(secs => $3)",
        )
        .bind(last)
        .bind(number * span - 1)
        .bind(age.as_secs_f64())
        .fetch_optional(&mut *conn)
        .await?;
        if young.is_some() {
            break;
        }
        floor = last;
    }
    sqlx::query("UPDATE store.rev SET compacted = $1 WHERE id = 1 AND compacted < $1")
        .bind(floor)
        .execute(conn)
        .await?;
    Ok(())
}

/// Detaches and drops every partition below the floor, also those that an earlier run left half done.
async fn drop_partitions(conn: &mut PgConnection) -> Result<usize, StoreError> {
    let row = sqlx::query("SELECT compacted, span FROM store.rev").fetch_one(&mut *conn).await?;
    let (floor, span): (i64, i64) = (row.try_get("compacted")?, row.try_get("span")?);
    let mut dropped = 0;
    for (number, attached) in partitions(conn).await? {
        if (number + 1) * span - 1 > floor {
            continue;
        }
        if attached {
            let pending =
                sqlx::query("SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhdetachpending")
                    .bind(format!("store.changes_{number}"))
                    .fetch_optional(&mut *conn)
                    .await?;
            let how = if pending.is_some() { "FINALIZE" } else { "CONCURRENTLY" };
            sqlx::raw_sql(AssertSqlSafe(format!(
                "ALTER TABLE store.changes DETACH PARTITION store.changes_{number} {how}"
            )))
            .execute(&mut *conn)
            .await?;
        }
        sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE store.changes_{number}"))).execute(&mut *conn).await?;
        dropped += 1;
    }
    Ok(dropped)
}

/// Numbers of all partitions in order, and whether each is attached.
async fn partitions(conn: &mut PgConnection) -> Result<Vec<(i64, bool)>, StoreError> {
    let rows = sqlx::query(
        "SELECT substr(c.relname, 9)::bigint AS number, i.inhrelid IS NOT NULL AS attached
         FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
         WHERE c.relnamespace = 'store'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^changes_[0-9]+$'
         ORDER BY 1",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("number")?, row.try_get("attached")?))).collect()
}

impl Retain {
    /// Keeps history of this age.
    pub fn age(age: Duration) -> Self {
        Self { age }
    }
}
