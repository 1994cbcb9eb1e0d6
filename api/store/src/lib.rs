//! The state in PostgreSQL: objects, changes, revisions, the change feed, the private cluster.
//!
//! A [`Writer`] commits batches, a [`Feed`] reads snapshots and changes, a [`Listener`] says
//! when to read. All are plain async values that can be thrown away at any time and made
//! anew from a [`Database`]; actors around them are the system's business. Deliberately
//! absent: caches, actors, and any knowledge of HTTP.

mod batch;
mod database;
mod error;
mod feed;
mod history;
mod listener;
mod partition;
pub mod private;
mod row;
mod seal;
mod space;
mod statement;
mod writer;

pub use batch::{Batch, Committed, MAX_BATCH, MAX_BATCH_BYTES, Span};
pub use database::{Database, Options};
pub use error::StoreError;
pub use feed::{ChangeRow, Changes, Feed, Loaded};
pub use history::Revision;
pub use listener::{Listener, Wake};
pub use partition::{Compaction, Retain};
pub use seal::SealingKey;
pub use space::Watermark;
pub use writer::Writer;
