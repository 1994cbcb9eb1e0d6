//! Controllers on a model cluster.

mod daemons;
mod endpoints;
mod harness;
mod nodes;
mod ownership;
mod replication;
mod rollout;
mod stateful;
