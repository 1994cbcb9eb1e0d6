//! Addresses that a cluster puts on `lo`: its name server's, and the node's where the machine has none of its own.

use crate::{
    error::{Error, Result},
    id::Id,
    netlink::{Batch, Family, Socket, route},
};
use std::net::{IpAddr, Ipv4Addr};

/// Interface index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;

/// The address by which every pod knows its node (its default gateway), and the node's address on a machine that is in
/// no network (RFC 3927).
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// Whether the kernel may choose an address as the source of what it sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Never.
    Hidden,
    /// Wherever no better one is at hand.
    Universe,
}

/// Gives the machine [`ROUTER`], for a node that has no other address.
pub fn add_node_address(id: &str) -> Result<()> {
    add(&Id::new(id)?, &[IpAddr::V4(ROUTER)], Scope::Universe)
}

pub(crate) fn add(id: &Id, addresses: &[IpAddr], scope: Scope) -> Result<()> {
    let mut socket = Socket::open(Family::Route).map_err(Error::io("netlink socket"))?;
    let mut up = Batch::default();
    route::set_up(&mut up, LOOPBACK);
    socket.request(up).map_err(|f| f.error).map_err(Error::io("set lo up"))?;
    let scope = if scope == Scope::Hidden { libc::RT_SCOPE_HOST } else { libc::RT_SCOPE_UNIVERSE };
    for ip in addresses {
        let mut batch = Batch::default();
        route::add_host_address(&mut batch, LOOPBACK, *ip, &id.address_label(), scope);
        match socket.request(batch) {
            Err(failure) if !failure.is(libc::EEXIST) => {
                return Err(Error::Io { what: format!("add {ip} to lo"), source: failure.error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes the cluster's addresses off `lo`; fine when they are not there.
pub(crate) fn remove(id: &Id, addresses: &[IpAddr]) -> Result<()> {
    let mut socket = Socket::open(Family::Route).map_err(Error::io("netlink socket"))?;
    for ip in addresses {
        let mut batch = Batch::default();
        route::delete_host_address(&mut batch, LOOPBACK, *ip, &id.address_label());
        match socket.request(batch) {
            Err(failure) if !failure.is(libc::EADDRNOTAVAIL) => {
                return Err(Error::Io { what: format!("remove {ip} from lo"), source: failure.error });
            }
            _ => {}
        }
    }
    Ok(())
}
