//! The store against a real PostgreSQL: each test has a private cluster of its own.

// Clippy knows tests, but not their helpers.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod charges;
mod compaction;
mod crash;
mod feed;
mod private;
mod sealing;
mod support;
mod views;
mod writers;
