//! The Node object: what the machine has, that it is alive, that it is well.

mod lease;
mod machine;
mod object;
mod qos;
mod status;

pub(crate) use lease::lease_child;
pub(crate) use machine::Machine;
pub(crate) use object::seconds;
pub(crate) use qos::qos_child;
pub(crate) use status::status_child;
