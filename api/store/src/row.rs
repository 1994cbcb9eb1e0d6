//! From a row to an object.

use crate::{Database, StoreError};
use podium_machinery::state::{Change, Object};
use podium_types::Key;
use serde::Deserialize;
use sqlx::{Row, postgres::PgRow};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// The part of stored text that rows need; everything else is skipped unread.
#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    metadata: Labels,
}
#[derive(Deserialize, Default)]
struct Labels {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Identity columns `res, ns, name, uid` of a row.
pub(crate) struct Identity {
    pub(crate) resource: String,
    pub(crate) key: Key,
    pub(crate) uid: String,
}

impl Identity {
    pub(crate) fn of(row: &PgRow) -> Result<Self, StoreError> {
        let uid: Uuid = row.try_get("uid")?;
        Ok(Self {
            resource: row.try_get("res")?,
            key: Key::new(row.try_get::<String, _>("ns")?, row.try_get::<String, _>("name")?),
            uid: uid.to_string(),
        })
    }

    /// The object in the columns `data` and `sealed` (named so, or with a prefix), at `revision`;
    /// `None` where both are null.
    pub(crate) fn object(
        &self,
        db: &Database,
        row: &PgRow,
        columns: [&str; 2],
        revision: u64,
    ) -> Result<Option<Arc<Object>>, StoreError> {
        let [data, sealed] = columns;
        let text = match row.try_get::<Option<String>, _>(data)? {
            Some(text) => text,
            None => {
                let Some(sealed) = row.try_get::<Option<Vec<u8>>, _>(sealed)? else { return Ok(None) };
                let name = || format!("{} {}", self.resource, self.key);
                let key = db.sealing().ok_or_else(|| StoreError::Seal(name(), "there is no sealing key"))?;
                key.open(&self.resource, &self.key, &self.uid, &sealed)?
            }
        };
        let labelled: Labelled = serde_json::from_str(&text)
            .map_err(|e| StoreError::Row(format!("{} {}", self.resource, self.key), e.to_string()))?;
        let labels = labelled.metadata.labels.unwrap_or_default();
        Ok(Some(Arc::new(Object::new(self.key.clone(), self.uid.clone(), revision, labels, &text))))
    }
}

/// A revision column: never negative.
pub(crate) fn revision(row: &PgRow, column: &str) -> Result<u64, StoreError> {
    Ok(row.try_get::<i64, _>(column)?.unsigned_abs())
}

/// Column `typ`.
pub(crate) fn change(row: &PgRow) -> Result<Change, StoreError> {
    match row.try_get::<String, _>("typ")?.as_str() {
        "A" => Ok(Change::Added),
        "M" => Ok(Change::Modified),
        "D" => Ok(Change::Deleted),
        other => Err(StoreError::Row("changes".into(), format!("unknown type {other:?}"))),
    }
}

/// A revision as the database's signed number.
pub(crate) fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
