//! The cluster's name server.

use crate::Result;
use arc_swap::ArcSwap;
use podium_rules::dns::Zone;
use std::{net::{IpAddr, SocketAddr}, sync::Arc};

/// What the name server needs.
#[derive(Clone)]
pub struct DnsConfig {
    /// Addresses to answer on, each added to `lo` when it is not the node's already; port 53 of UDP and TCP.
    pub addresses: Vec<IpAddr>,
    /// The names of the cluster; readers see every `store` at once.
    pub zone: Arc<ArcSwap<Zone>>,
    /// Who answers for other names; see [`DnsConfig::system_upstream`]. None: such questions are refused.
    pub upstream: Vec<SocketAddr>,
}

impl DnsConfig {
    /// The name servers of `/etc/resolv.conf`, without our own addresses.
    pub fn system_upstream(_own: &[IpAddr]) -> Vec<SocketAddr> {
        Vec::new()
    }
}

/// A running name server.
pub struct DnsServer {}

impl DnsServer {
    /// Binds the sockets and answers.
    pub async fn open(_config: DnsConfig) -> Result<Self> {
        Ok(Self {})
    }
    /// Stops answering and gives the addresses back.
    pub async fn close(&self) -> Result<()> {
        Ok(())
    }
}
