//! The past of one object.
//!
//! Every change names the revision before it, so an object's history is a chain that starts
//! at its current row, or at its deletion; no index of all changes by name is needed, which
//! would cost every write.

use crate::{
    Database, StoreError,
    row::{Identity, change, revision, signed},
};
use podium_machinery::state::{Change, Object};
use podium_types::{Key, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};
use std::sync::Arc;

/// Walks the chains of one key (`$1, $2, $3`), newest change first. Several chains: the key may have been reused.
const WALK: &str = "WITH RECURSIVE walk(rv) AS (
    SELECT h.rv FROM (
        SELECT rv FROM store.objects WHERE res = $1 AND ns = $2 AND name = $3
        UNION ALL SELECT rv FROM store.changes WHERE res = $1 AND ns = $2 AND name = $3 AND typ = 'D') h
    UNION ALL SELECT c.prev_rv FROM walk w JOIN store.changes c ON c.rv = w.rv WHERE c.prev_rv IS NOT NULL)
  SELECT c.rv, c.typ::text AS typ, c.res, c.ns, c.name, c.uid, c.actor, c.prev_rv,
         (extract(epoch FROM c.at) * 1000000)::bigint AS micros, c.data::text AS data, c.sealed,
         c.prev_data::text AS prev_data, c.prev_sealed
  FROM walk w JOIN store.changes c ON c.rv = w.rv";

/// One entry of an object's history.
#[derive(Debug)]
pub struct Revision {
    /// Its revision.
    pub revision: u64,
    /// When its batch began, by the database's clock.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
    /// Who did it.
    pub actor: String,
    /// The object after it (before it, for a deletion).
    pub object: Arc<Object>,
}

impl Database {
    /// The newest `limit` changes of an object, newest first, also of deleted ones of that name.
    ///
    /// # Errors
    /// What the database refuses, or bytes that do not open.
    pub async fn history(&self, resource: &str, key: &Key, limit: u32) -> Result<Vec<Revision>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!("{WALK} ORDER BY c.rv DESC LIMIT $4")))
            .bind(resource)
            .bind(&key.namespace)
            .bind(&key.name)
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| self.entry(row)).collect()
    }

    /// The object as it was at `revision`, `None` where it did not exist then.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] where history no longer reaches back so far; else what the
    /// database refuses, or bytes that do not open.
    pub async fn object_at(&self, resource: &str, key: &Key, revision: u64) -> Result<Option<Arc<Object>>, StoreError> {
        let mut tx = self.pool().begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let floor = sqlx::query("SELECT compacted FROM store.rev").fetch_one(&mut *tx).await?;
        let oldest = floor.try_get::<i64, _>("compacted")?.unsigned_abs();
        if revision < oldest {
            return Err(StoreError::Compacted { asked: revision, oldest });
        }
        if let Some(row) = step(&mut tx, resource, key, revision, "c.rv <= $4 ORDER BY c.rv DESC").await? {
            return if change(&row)? == Change::Deleted { Ok(None) } else { self.written(&row).map(Some) };
        }
        // Not written between the floor and `revision`: what it was before its next change …
        if let Some(row) = step(&mut tx, resource, key, revision, "c.rv > $4 ORDER BY c.rv").await? {
            let Some(before) = row.try_get::<Option<i64>, _>("prev_rv")? else { return Ok(None) };
            return Identity::of(&row)?.object(self, &row, ["prev_data", "prev_sealed"], before.unsigned_abs());
        }
        // … or what it still is.
        let row = sqlx::query(
            "SELECT res, ns, name, uid, rv, data::text AS data, sealed FROM store.objects
             WHERE res = $1 AND ns = $2 AND name = $3 AND rv <= $4",
        )
        .bind(resource)
        .bind(&key.namespace)
        .bind(&key.name)
        .bind(signed(revision))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        self.written(&row).map(Some)
    }

    fn entry(&self, row: &PgRow) -> Result<Revision, StoreError> {
        let at = row.try_get::<i64, _>("micros")?;
        let revision = revision(row, "rv")?;
        Ok(Revision {
            revision,
            at: Timestamp::from_microsecond(at)
                .map_err(|e| StoreError::Row(format!("change {revision}"), e.to_string()))?,
            change: change(row)?,
            actor: row.try_get("actor")?,
            object: self.written(row)?,
        })
    }

    /// The object that a row of changes or objects holds.
    fn written(&self, row: &PgRow) -> Result<Arc<Object>, StoreError> {
        let at = revision(row, "rv")?;
        let object = Identity::of(row)?.object(self, row, ["data", "sealed"], at)?;
        object.ok_or_else(|| StoreError::Row(format!("change {at}"), "no data".into()))
    }
}

/// The first change of the object's history that the condition (on `$4`, the revision) picks.
async fn step(
    conn: &mut PgConnection,
    resource: &str,
    key: &Key,
    revision: u64,
    condition: &'static str,
) -> Result<Option<PgRow>, sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!("{WALK} WHERE {condition} LIMIT 1")))
        .bind(resource)
        .bind(&key.namespace)
        .bind(&key.name)
        .bind(signed(revision))
        .fetch_optional(conn)
        .await
}
