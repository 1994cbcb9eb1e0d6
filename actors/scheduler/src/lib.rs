//! Pure scheduling: filter, score, explain.
//!
//! [`batch`] places pods one after the other on a [`board`] of nodes, each pod seeing
//! those before it; [`Scheduler`] turns that into a plan. Deliberately absent: state kept
//! between decisions, and preemption.

pub mod affinity;
pub mod ask;
pub mod batch;
pub mod board;
pub mod explain;
pub mod failure;
pub mod filter;
pub mod scheduler;
pub mod score;
pub mod taints;

pub use batch::{Placement, schedule_batch};
pub use scheduler::Scheduler;

#[cfg(test)]
mod tests;
