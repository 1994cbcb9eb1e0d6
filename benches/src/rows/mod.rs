//! One file per group of rows.

pub mod deployment;
pub mod growth;
pub mod idle;
pub mod memory;
pub mod patches;
pub mod pods;
pub mod reads;
pub mod rest;
pub mod scale;
pub mod scheduler;
pub mod startup;
pub mod watch;
pub mod writes;
