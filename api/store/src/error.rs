//! What can go wrong between Podium and its database, and what it means for a statement in flight.

use std::{io, path::PathBuf, time::Duration};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no, or the connection broke.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// No answer in time.
    #[error("the database gave no answer within {0:?}")]
    Timeout(Duration),
    /// Another writer has taken this writer's id; open a new one.
    #[error("this writer is fenced: its id was registered again")]
    Fenced,
    /// History no longer reaches back so far (410 to clients).
    #[error("revision {asked} is compacted, the oldest to continue from is {oldest}")]
    Compacted {
        /// What was asked for.
        asked: u64,
        /// Changes after this revision are still there.
        oldest: u64,
    },
    /// The database is another one than before (restored, failed over): load everything again.
    #[error("the database is in incarnation {now}, not {before}")]
    Replaced {
        /// Incarnation known so far.
        before: i64,
        /// Incarnation found.
        now: i64,
    },
    /// The disk below the database is nearly full; writes have stopped before PostgreSQL must.
    #[error("{free} bytes free below {path}, {least} are kept")]
    DiskLow {
        /// Directory of the watermark.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that must stay free.
        least: u64,
    },
    /// Sealed bytes do not open: another key, or damage.
    #[error("sealed bytes of {0} cannot be opened: {1}")]
    Seal(String, &'static str),
    /// A row that this version cannot read.
    #[error("row {0}: {1}")]
    Row(String, String),
    /// A file or process of the private cluster.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    /// The private cluster cannot run.
    #[error("private PostgreSQL: {0}")]
    Cluster(String),
}

/// What a failed statement means for the writes in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The statement was rolled back because of a value in it.
    BadValue(String),
    /// Rolled back; the same statement may pass now (serialisation, deadlock).
    Again,
    /// Rolled back: no partition takes the new revisions.
    NoPartition,
    /// Rolled back, and trying at once will not help.
    Refused,
    /// It may have been committed.
    Unknown,
}

impl Fault {
    /// Reads SQLSTATE (PostgreSQL's documentation, appendix A) of a failed statement.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        let sqlx::Error::Database(error) = error else {
            return match error {
                // Found before anything was sent.
                sqlx::Error::Encode(why) => Self::BadValue(why.to_string()),
                _ => Self::Unknown,
            };
        };
        let code = error.code().unwrap_or_default();
        match code.as_ref() {
            "40001" | "40P01" => Self::Again,
            "23514" if error.message().starts_with("no partition of relation") => Self::NoPartition,
            // Data exceptions, broken constraints, program limits.
            c if c.starts_with("22") || c.starts_with("23") || c.starts_with("54") => {
                Self::BadValue(error.message().to_owned())
            }
            // Connection exceptions and operator intervention may hit after the commit.
            c if c.starts_with("08") || c.starts_with("57") => Self::Unknown,
            _ => Self::Refused,
        }
    }
}
