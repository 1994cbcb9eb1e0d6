//! One file per group of rows.

pub mod deployment;
pub mod idle;
pub mod memory;
pub mod patches;
pub mod pods;
pub mod reads;
pub mod startup;
pub mod watch;
pub mod writes;
