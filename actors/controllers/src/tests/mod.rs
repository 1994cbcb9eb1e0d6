//! Controllers on a model cluster.

mod endpoints;
mod nodes;
mod ownership;
mod rollout;
