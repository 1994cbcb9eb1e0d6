//! Everything that reads what a stranger wrote, fed with damaged seeds.
//!
//! Seeds are ours and small; [`mutate`] damages them as a fuzzer would, proptest makes failures
//! short, and [`bounds`] holds every reader to a time and to a share of memory. The number of
//! cases is fixed, so that a run ends; `PROPTEST_CASES` asks for more.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod apply;
mod bodies;
mod bounds;
mod frames;
mod mutate;
mod objects;
mod patches;
mod seeds;
mod threeway;
mod websocket;
mod words;

#[global_allocator]
static COUNTED: bounds::Counted = bounds::Counted;
