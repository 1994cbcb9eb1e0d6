//! End to end: real PostgreSQL, real containers, real clients. Each test has a cluster of its own.

#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod admission;
mod autoscaling;
mod bad_input;
mod certificates;
mod clients;
mod controllers;
mod demo;
mod env_files;
mod escape;
mod healing;
mod image_volumes;
mod informers;
mod kubectl;
mod network;
mod node;
mod node_extras;
mod pods;
mod reboot;
mod scheduling;
mod shutdown;
mod soak;
mod static_pods;
mod streams;
mod taking_in;
mod workloads;
