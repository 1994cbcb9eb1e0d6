//! The change feed: snapshots, and what was committed after them.
//!
//! Revision order is commit order (all batches lock one row), so reading changes after the
//! last revision misses nothing. Revisions have gaps, where writes were refused: trust
//! [`Changes::reached`], never contiguity.

use crate::{
    Database, StoreError,
    row::{Identity, change, revision, signed},
};
use podium_kinds::Kind;
use podium_machinery::state::{Change, Object};
use sqlx::{Row, postgres::PgRow};
use std::sync::Arc;

/// Reads the state. Holds nothing but the incarnation that its reader's caches come from.
pub struct Feed {
    db: Database,
    incarnation: Option<i64>,
}

/// A consistent snapshot.
#[derive(Debug)]
pub struct Loaded {
    /// Newest revision in it.
    pub revision: u64,
    /// Storage name of the kind and object, in list order within each kind.
    pub objects: Vec<(String, Arc<Object>)>,
}

/// One committed change.
#[derive(Debug)]
pub struct ChangeRow {
    /// Its revision.
    pub revision: u64,
    /// Storage name of the kind.
    pub resource: String,
    /// What happened.
    pub change: Change,
    /// The object after it; its last state at the revision of the deletion, if deleted.
    pub object: Arc<Object>,
    /// The object before: only stored on its first change in a while, readers keep their own.
    pub previous: Option<Arc<Object>>,
}

/// Changes after a revision.
#[derive(Debug)]
pub struct Changes {
    /// In revision order.
    pub rows: Vec<ChangeRow>,
    /// All changes up to this revision are in `rows`: continue from here.
    pub reached: u64,
    /// Whether the limit cut the answer: ask again at once.
    pub more: bool,
}

impl Feed {
    /// A feed of this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone(), incarnation: None }
    }

    /// The objects of one kind and the revision they are at.
    ///
    /// # Errors
    /// What the database refuses, or bytes that do not open.
    pub async fn load(&mut self, kind: &Kind) -> Result<Loaded, StoreError> {
        self.read(Some(kind.resource)).await
    }

    /// The objects of all kinds and the revision they are at.
    ///
    /// # Errors
    /// What the database refuses, or bytes that do not open.
    pub async fn load_all(&mut self) -> Result<Loaded, StoreError> {
        self.read(None).await
    }

    async fn read(&mut self, resource: Option<&str>) -> Result<Loaded, StoreError> {
        let mut tx = self.db.pool().begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let rev = sqlx::query("SELECT rv, incarnation FROM store.rev").fetch_one(&mut *tx).await?;
        let rows = sqlx::query(
            "SELECT res, ns, name, uid, rv, data::text AS data, sealed FROM store.objects
             WHERE $1 IS NULL OR res = $1 ORDER BY res, ns, name",
        )
        .bind(resource)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut objects = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = Identity::of(row)?;
            if let Some(object) = id.object(&self.db, row, ["data", "sealed"], revision(row, "rv")?)? {
                objects.push((id.resource, object));
            }
        }
        self.incarnation = Some(rev.try_get("incarnation")?);
        Ok(Loaded { revision: revision(&rev, "rv")?, objects })
    }

    /// At most `limit` changes after revision `since`, of all kinds.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] or [`StoreError::Replaced`]: load again. Else what the database refuses.
    pub async fn changes_since(&mut self, since: u64, limit: u32) -> Result<Changes, StoreError> {
        self.changes(None, since, limit).await
    }

    /// The same of one kind alone: nothing else leaves the database.
    ///
    /// # Errors
    /// As [`Feed::changes_since`].
    pub async fn changes_of(&mut self, kind: &Kind, since: u64, limit: u32) -> Result<Changes, StoreError> {
        self.changes(Some(kind.resource), since, limit).await
    }

    async fn changes(&mut self, resource: Option<&str>, since: u64, limit: u32) -> Result<Changes, StoreError> {
        // One statement, so that the revision and the rows come from one snapshot.
        let rows = sqlx::query(
            "SELECT r.rv AS newest, r.compacted, r.incarnation, c.* FROM store.rev r LEFT JOIN LATERAL (
                 SELECT rv, typ::text AS typ, res, ns, name, uid, prev_rv, data::text AS data, sealed,
                        prev_data::text AS prev_data, prev_sealed
                 FROM store.changes WHERE rv > $1 AND ($3 IS NULL OR res = $3) ORDER BY rv LIMIT $2) c ON true",
        )
        .bind(signed(since))
        .bind(i64::from(limit))
        .bind(resource)
        .fetch_all(self.db.pool())
        .await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let (newest, compacted) = (revision(first, "newest")?, revision(first, "compacted")?);
        let now = first.try_get("incarnation")?;
        let before = *self.incarnation.get_or_insert(now);
        if before != now || since > newest {
            return Err(StoreError::Replaced { before, now });
        }
        if since < compacted {
            return Err(StoreError::Compacted { asked: since, oldest: compacted });
        }
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.try_get::<Option<i64>, _>("rv")?.is_some() {
                changes.push(self.change(row)?);
            }
        }
        let more = changes.len() >= limit as usize;
        let reached = match changes.last() {
            Some(last) if more => last.revision,
            _ => newest,
        };
        Ok(Changes { rows: changes, reached, more })
    }

    fn change(&self, row: &PgRow) -> Result<ChangeRow, StoreError> {
        let id = Identity::of(row)?;
        let revision = revision(row, "rv")?;
        let object = id.object(&self.db, row, ["data", "sealed"], revision)?;
        let object = object.ok_or_else(|| StoreError::Row(format!("change {revision}"), "no data".into()))?;
        let previous = match row.try_get::<Option<i64>, _>("prev_rv")? {
            Some(at) => id.object(&self.db, row, ["prev_data", "prev_sealed"], at.unsigned_abs())?,
            None => None,
        };
        Ok(ChangeRow { revision, change: change(row)?, object, previous, resource: id.resource })
    }

    /// The newest revision committed by anyone.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn current_revision(&self) -> Result<u64, StoreError> {
        revision(&sqlx::query("SELECT rv FROM store.rev").fetch_one(self.db.pool()).await?, "rv")
    }

    /// The oldest revision that [`Feed::changes_since`] can continue from.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn floor(&self) -> Result<u64, StoreError> {
        revision(&sqlx::query("SELECT compacted FROM store.rev").fetch_one(self.db.pool()).await?, "compacted")
    }
}
