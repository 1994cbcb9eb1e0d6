//! The group `batch`: workloads that come to an end.

pub(crate) mod cronjob;
pub(crate) mod job;
mod policy;
mod schedule;
mod spec;
