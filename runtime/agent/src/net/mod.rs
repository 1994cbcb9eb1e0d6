//! The node's part of the cluster network: pods' interfaces, Services, names.

mod network;
mod services;

pub(crate) use network::network_child;
pub(crate) use services::services_child;
