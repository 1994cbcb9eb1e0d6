//! End to end: real PostgreSQL, real containers, real clients. Each test has a cluster of its own.

#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod admission;
mod autoscaling;
mod bad_input;
mod certificates;
mod claims;
mod clients;
mod controllers;
mod demo;
mod env_files;
mod escape;
mod healing;
mod image_volumes;
mod informers;
mod jobs;
mod kubectl;
mod network;
mod node;
mod node_extras;
mod pods;
mod preemption;
mod reboot;
mod scheduling;
mod sets;
mod shutdown;
mod soak;
mod stateful;
mod static_pods;
mod streams;
mod taking_in;
mod workloads;
