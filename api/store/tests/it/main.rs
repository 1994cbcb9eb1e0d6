//! The store against a real PostgreSQL: each test has a private cluster of its own.

mod compaction;
mod crash;
mod feed;
mod private;
mod sealing;
mod support;
mod views;
mod writers;
