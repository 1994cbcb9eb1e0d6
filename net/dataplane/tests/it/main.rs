//! The dataplane against a real kernel, each test in network namespaces of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are not inside #[test]")]

mod dns;
mod lab;
mod network;
mod objects;
mod proxy;
