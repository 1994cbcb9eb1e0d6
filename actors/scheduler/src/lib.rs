//! Pure scheduling: filter, score, preempt, explain.
//!
//! A [`batch`] places pods one after the other on a [`board`] of nodes, each pod seeing
//! those before it; [`Scheduler`] turns that into a plan. Deliberately absent: state kept
//! between decisions; what a pod waits for is read off its own condition ([`hint`]), and how
//! long off the view's account of vain attempts ([`backoff`]).

mod advice;
mod affinity;
mod ask;
mod backoff;
mod batch;
mod board;
mod claims;
mod class;
mod explain;
mod failure;
mod filter;
mod hint;
mod images;
mod nominations;
mod preempt;
mod profile;
mod report;
mod scheduler;
mod score;
mod selector;
mod settings;
mod spread;
mod taints;
mod tally;
mod waiting;

pub use batch::{Batch, Failure, Placement};
pub use explain::{Explanation, Opinion, Standing, Verdict, explain};
pub use profile::{Profile, Strategy, Weights};
pub use scheduler::{Scheduler, queue};
pub use waiting::{Waiting, waiting};

#[cfg(test)]
mod tests;
