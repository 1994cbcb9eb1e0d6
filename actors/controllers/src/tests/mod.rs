//! Controllers on a model cluster.

mod autoscalers;
mod budgets;
mod certificates;
mod crashes;
mod cron;
mod daemons;
mod endpoints;
mod harness;
mod jobs;
mod nodes;
mod ownership;
mod ranges;
mod refusals;
mod replication;
mod rollout;
mod stateful;
mod storage;
mod tokens;
