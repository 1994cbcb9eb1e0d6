//! Pure networking: which address a pod gets, which rules a Service becomes, what DNS answers.
//!
//! The dataplane makes these decisions true in the kernel. Every result is a value
//! built from its arguments alone, so that any of it can be tested by tables and
//! properties. Deliberately absent: sockets, nftables syntax, clocks; NetworkPolicy
//! and the IPv6 tables of the service proxy.

pub mod dns;
pub mod ipam;
pub mod services;
