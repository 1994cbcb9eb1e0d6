//! The node's network made true in the kernel: pod interfaces, service rules, DNS sockets.
//!
//! What should be is decided in `podium-rules`; here it is done, over netlink where it
//! is hot and by `nft` where it is rare. Everything made carries the id of the cluster,
//! so that [`cleanup`] finds it after a crash. Deliberately absent: NetworkPolicy and
//! tunnels between nodes.

mod address;
mod dns;
mod error;
mod id;
mod netlink;
mod network;
mod nft;
mod proxy;
mod sysctl;
mod teardown;

pub use address::{ROUTER, add_node_address};
pub use dns::{DnsConfig, DnsServer};
pub use error::{Error, Result};
pub use network::{Attachment, HostPort, Network, NetworkConfig};
pub use proxy::{ApplyStats, ProxyConfig, ServiceProxy};
pub use teardown::{Leftovers, cleanup};
