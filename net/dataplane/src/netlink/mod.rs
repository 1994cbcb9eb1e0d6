//! Netlink, spoken directly.
//!
//! A pod's interface and a Service's elements are each a handful of messages that have
//! to go out in one system call on a socket of the right network namespace; general
//! crates spawn a task per connection and ask once per message. Messages are built
//! here; what they mean is in `route` and `netfilter`.

mod batch;
pub(crate) mod netfilter;
pub(crate) mod route;
mod socket;

pub(crate) use batch::{Batch, attributes};
pub(crate) use socket::{Failure, Family, Socket};
