//! The one statement that writes, its parameters, and what it answered.

use crate::{StoreError, row::signed};
use podium_kinds::Kind;
use podium_machinery::state::{Action, Body, Change, Object, Write, WriteError};
use podium_types::Key;
use sqlx::{PgConnection, Row, types::Uuid};
use std::collections::BTreeMap;

const COMMIT: &str = include_str!("commit.sql");

/// One row of the statement: a write, or a charge of one.
pub(crate) struct Op<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) key: &'a Key,
    actor: &'a str,
    /// `A`, `M` or `D`, as in `store.changes`; `C` for a charge.
    verb: &'static str,
    uid: Uuid,
    expected: i64,
    body: &'a Body,
    /// Present for sealed kinds; then the text stays out of the statement.
    sealed: Option<Vec<u8>>,
    /// So many rows before it must be done, its charges, or it is not.
    needs: i64,
}

impl<'a> Op<'a> {
    /// Reads and seals a write, its charges first; refuses what the statement cannot carry.
    pub(crate) fn all(write: &'a Write, sealing: Option<&crate::SealingKey>) -> Result<Vec<Self>, WriteError> {
        let mut ops = Vec::with_capacity(write.charges.len() + 1);
        for charge in &write.charges {
            let op =
                Self::of((charge.kind, &charge.key, &write.actor), ("C", &charge.uid, charge.expected, &charge.body));
            ops.push(op.and_then(|op| op.sealed(sealing)).map_err(|error| match error {
                WriteError::Conflict => WriteError::Overtaken,
                error => error,
            })?);
        }
        let action = match &write.action {
            Action::Create { uid, body } => ("A", uid, 0, body),
            Action::Update { uid, expected, body } => ("M", uid, *expected, body),
            Action::Delete { uid, expected, body } => ("D", uid, *expected, body),
        };
        let mut op = Self::of((write.kind, &write.key, &write.actor), action)?.sealed(sealing)?;
        op.needs = signed(ops.len() as u64);
        ops.push(op);
        Ok(ops)
    }
    fn of(
        (kind, key, actor): (&'static Kind, &'a Key, &'a str),
        (verb, uid, expected, body): (&'static str, &'a String, u64, &'a Body),
    ) -> Result<Self, WriteError> {
        let parsed = Uuid::parse_str(uid).map_err(|_| match verb {
            "A" => WriteError::Refused(format!("metadata.uid {uid:?} is no UUID")),
            // Stored uids are UUIDs, so this is not the object's.
            _ => WriteError::Conflict,
        })?;
        Ok(Self { kind, key, actor, verb, uid: parsed, expected: signed(expected), body, sealed: None, needs: 0 })
    }
    fn sealed(mut self, sealing: Option<&crate::SealingKey>) -> Result<Self, WriteError> {
        let refused = |e: StoreError| WriteError::Refused(e.to_string());
        self.sealed = match (self.kind.sealed, sealing) {
            (false, _) => None,
            (true, Some(key)) => {
                // The canonical form of the uid is what rows give back.
                let uid = self.uid.to_string();
                Some(key.seal(self.kind.resource, self.key, &uid, &self.body.text).map_err(refused)?)
            }
            (true, None) => return Err(WriteError::Refused("there is no sealing key".into())),
        };
        Ok(self)
    }
    /// What it does to its object.
    pub(crate) fn change(&self) -> Change {
        match self.verb {
            "A" => Change::Added,
            "D" => Change::Deleted,
            _ => Change::Modified,
        }
    }
    /// The object after the write took `revision`.
    pub(crate) fn object(&self, revision: u64) -> Object {
        let Body { labels, text } = self.body;
        Object::new(self.key.clone(), self.uid.to_string(), revision, labels.clone(), text)
    }
}

/// What the statement answered.
pub(crate) struct Answer {
    /// Newest revision before it.
    pub(crate) base: i64,
    /// Newest revision after it.
    pub(crate) newest: i64,
    /// Positions, from 1, of the writes that were done.
    pub(crate) done: Vec<i64>,
}

/// Runs the statement; `None` means that the writer is fenced.
pub(crate) async fn run(
    conn: &mut PgConnection,
    (id, epoch, seq): (Uuid, i64, i64),
    ops: &[&Op<'_>],
) -> Result<Option<Answer>, sqlx::Error> {
    fn column<'a, T>(ops: &[&'a Op<'a>], of: impl Fn(&'a Op<'a>) -> T) -> Vec<T> {
        ops.iter().map(|op| of(op)).collect()
    }
    let labels = column(ops, |op| labels(&op.body.labels));
    let row = sqlx::query(COMMIT)
        .bind(id)
        .bind(epoch)
        .bind(seq)
        .bind(column(ops, |op| op.verb))
        .bind(column(ops, |op| op.kind.resource))
        .bind(column(ops, |op| op.key.namespace.as_str()))
        .bind(column(ops, |op| op.key.name.as_str()))
        .bind(column(ops, |op| op.uid))
        .bind(column(ops, |op| op.expected))
        .bind(labels)
        .bind(column(ops, |op| op.sealed.is_none().then_some(op.body.text.as_str())))
        .bind(column(ops, |op| op.sealed.as_deref()))
        .bind(column(ops, |op| op.actor))
        .bind(signed(ops.len() as u64))
        .bind(column(ops, |op| op.needs))
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Answer { base: row.try_get("base")?, newest: row.try_get("newest")?, done: row.try_get("done")? }))
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    serde_json::Value::from_iter(labels.iter().map(|(k, v)| (k.as_str(), v.as_str()))).to_string()
}

/// The answer of a statement that was committed without our hearing of it: `base` comes from
/// the writer's row, the rest from the log.
pub(crate) async fn recall(conn: &mut PgConnection, base: i64, size: usize) -> Result<Answer, sqlx::Error> {
    let newest = base + signed(size as u64);
    let rows = sqlx::query("SELECT rv FROM store.changes WHERE rv > $1 AND rv <= $2")
        .bind(base)
        .bind(newest)
        .fetch_all(conn)
        .await?;
    let done = rows.iter().map(|row| row.try_get::<i64, _>("rv").map(|rv| rv - base)).collect::<Result<_, _>>()?;
    Ok(Answer { base, newest, done })
}

/// Why writes were not done: by reading what is there now. Where even that fails, `Conflict`:
/// they were certainly refused for what was there then.
pub(crate) async fn reasons(conn: &mut PgConnection, ops: &[&Op<'_>]) -> Vec<WriteError> {
    let present = sqlx::query(
        "SELECT t.ord FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS t(res, ns, name, ord)
         JOIN store.objects o ON o.res = t.res AND o.ns = t.ns AND o.name = t.name",
    )
    .bind(ops.iter().map(|op| op.kind.resource).collect::<Vec<_>>())
    .bind(ops.iter().map(|op| op.key.namespace.as_str()).collect::<Vec<_>>())
    .bind(ops.iter().map(|op| op.key.name.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await;
    let present: Option<Vec<i64>> = present.ok().map(|rows| rows.iter().filter_map(|r| r.try_get(0).ok()).collect());
    let reason = |(index, op): (usize, &&Op<'_>)| match (op.change(), &present) {
        (Change::Added, _) => WriteError::AlreadyExists,
        (_, Some(there)) if !there.contains(&signed(index as u64 + 1)) => WriteError::NotFound,
        _ => WriteError::Conflict,
    };
    ops.iter().enumerate().map(reason).collect()
}
