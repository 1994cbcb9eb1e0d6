//! Pure API machinery: what is the same for every kind.
//!
//! Patches, server-side apply, selectors, field validation, tables, protobuf transcoding, and the
//! immutable snapshots that reads are served from. Deliberately absent: sockets,
//! the database, the clock.

pub mod aggregation;
pub mod apply;
pub mod certificates;
pub mod decode;
pub mod defaults;
pub mod discovery;
pub mod metadata;
pub mod openapi;
pub mod partial;
pub mod patch;
pub mod protobuf;
pub mod quota;
pub mod rbac;
pub mod selectors;
pub mod state;
pub mod table;
pub mod usage;
