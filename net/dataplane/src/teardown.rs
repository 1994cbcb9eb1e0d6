//! Removing what a dead agent left behind.

use crate::{
    Error, Result, address,
    id::Id,
    netlink::{Batch, Family, Socket, route},
    network::{remove_links, remove_netns_dir, remove_store},
    nft,
};
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
    /// Destinations of our routes: the service CIDR, and the podCIDR if known.
    pub routes: Vec<ipnetwork::Ipv4Network>,
}

/// Removes tables, namespaces, veths, routes and addresses of the cluster `id`; fine when there are none.
/// Nothing of the cluster may be running. Every part is tried; the first error is returned.
pub async fn cleanup(id: &str, leftovers: &Leftovers) -> Result<()> {
    let id = Id::new(id)?;
    let mut outcomes = vec![nft::delete_table(&id.service_table()).await, nft::delete_table(&id.network_table()).await];
    outcomes.push(remove_netns_dir(&leftovers.netns_dir));
    outcomes.push(remove_store(&leftovers.state_dir));
    outcomes.push(address::remove(&id, &leftovers.dns_addresses));
    outcomes.push(address::remove(&id, &[address::ROUTER.into()]));
    outcomes.push(remove_routes_and_links(&id, leftovers));
    outcomes.into_iter().collect()
}

fn remove_routes_and_links(id: &Id, leftovers: &Leftovers) -> Result<()> {
    let mut socket = Socket::open(Family::Route).map_err(Error::io("netlink socket"))?;
    remove_links(id, &mut socket, |_| true)?;
    for to in &leftovers.routes {
        let mut batch = Batch::default();
        route::delete_ours(&mut batch, *to);
        match socket.request(batch) {
            Err(failure) if !failure.is(libc::ESRCH) => {
                return Err(Error::Io { what: format!("delete route to {to}"), source: failure.error });
            }
            _ => {}
        }
    }
    Ok(())
}
