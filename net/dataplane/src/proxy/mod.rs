//! Services in nftables.

use crate::Result;
use ipnetwork::Ipv4Network;
use podium_rules::services::{Change, RuleSet};
use std::net::Ipv4Addr;

/// What the service proxy depends on.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Eight hexadecimal digits, not all zero: the cluster that everything made here belongs to.
    pub id: String,
    /// Addresses of all pods; traffic from elsewhere is masqueraded.
    pub cluster_cidr: Ipv4Network,
    /// Addresses of Services; those without a rule are rejected.
    pub service_cidr: Ipv4Network,
    /// The node's own address: source of the host's own traffic to Services.
    pub node_ip: Ipv4Addr,
}

/// What an application of changes did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApplyStats {
    /// Elements that were added, changed or removed.
    pub changes: usize,
    /// UDP flows forgotten because their endpoint is gone.
    pub flows: usize,
    /// Whether everything was loaded anew.
    pub reloaded: bool,
}

/// The service rules of a node.
pub struct ServiceProxy {}

impl ServiceProxy {
    /// Prepares the node; rules of an earlier run stay until the first [`ServiceProxy::apply`].
    pub async fn open(_config: ProxyConfig) -> Result<Self> {
        Ok(Self {})
    }
    /// Makes the rules be `new`; the first call loads them as a whole.
    pub async fn apply(&self, _new: RuleSet) -> Result<ApplyStats> {
        Ok(ApplyStats::default())
    }
    /// Makes single changes, as `podium_rules::services::Incremental` gives them, after the first `apply`.
    pub async fn update(&self, _changes: &[Change]) -> Result<ApplyStats> {
        Ok(ApplyStats::default())
    }
    /// Removes the rules.
    pub async fn close(&self) -> Result<()> {
        Ok(())
    }
}
