//! Links, addresses, routes and neighbours (`linux/rtnetlink.h`, rtnetlink(7)).

use super::{Batch, Failure, Socket, attributes};
use ipnetwork::Ipv4Network;
use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::RawFd,
};

const INET: u8 = libc::AF_INET as u8;
const INET6: u8 = libc::AF_INET6 as u8;
const ACK: i32 = libc::NLM_F_ACK;
const CREATE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
const REPLACE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
/// `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
const UP: u32 = libc::IFF_UP as u32;
/// `linux/veth.h`; not in the libc crate.
const VETH_INFO_PEER: u16 = 1;
/// Routes of ours say so; from the range that rtnetlink(7) leaves to users.
pub(crate) const PROTOCOL: u8 = 112;

/// A hardware address.
pub(crate) type Mac = [u8; 6];

/// A pair of interfaces, one of them in another network namespace.
pub(crate) struct Veth<'a> {
    /// Name of this end.
    pub name: &'a str,
    /// Hardware address of this end.
    pub mac: Mac,
    /// Name of the other end.
    pub peer: &'a str,
    /// Hardware address of the other end.
    pub peer_mac: Mac,
    /// Network namespace of the other end.
    pub peer_netns: RawFd,
    /// Group of this end: the cluster it belongs to.
    pub group: u32,
    /// Both ends' MTU.
    pub mtu: u32,
}

/// Where packets of a route go.
pub(crate) enum Way {
    /// Out of an interface, straight.
    Link(u32),
    /// Out of an interface, to a router that need not be on its network.
    Via(Ipv4Addr, u32),
    /// Out of an interface; the host's own packets have this source.
    LinkFrom(u32, Option<Ipv4Addr>),
    /// Nowhere: refused.
    Unreachable,
}

fn link_header(index: u32, flags: u32, change: u32) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}

/// Appends: create both ends of a veth in one request. This end is up; the kernel refuses to set the
/// other end up before the two know each other.
pub(crate) fn add_veth(batch: &mut Batch, veth: &Veth<'_>) {
    batch
        .message(libc::RTM_NEWLINK, CREATE, &link_header(0, UP, UP))
        .text(libc::IFLA_IFNAME, veth.name)
        .attribute(libc::IFLA_ADDRESS, &veth.mac)
        .attribute(libc::IFLA_MTU, &veth.mtu.to_ne_bytes())
        .attribute(libc::IFLA_GROUP, &veth.group.to_ne_bytes())
        .nest(libc::IFLA_LINKINFO, |info| {
            info.text(libc::IFLA_INFO_KIND, "veth").nest(libc::IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |peer| {
                    peer.raw(&link_header(0, 0, 0))
                        .text(libc::IFLA_IFNAME, veth.peer)
                        .attribute(libc::IFLA_ADDRESS, &veth.peer_mac)
                        .attribute(libc::IFLA_MTU, &veth.mtu.to_ne_bytes())
                        .attribute(libc::IFLA_NET_NS_FD, &veth.peer_netns.to_ne_bytes());
                });
            });
        });
}

/// Appends: set an interface up.
pub(crate) fn set_up(batch: &mut Batch, index: u32) {
    batch.message(libc::RTM_NEWLINK, ACK, &link_header(index, UP, UP));
}

/// Appends: delete an interface.
pub(crate) fn delete_link(batch: &mut Batch, index: u32) {
    batch.message(libc::RTM_DELLINK, ACK, &link_header(index, 0, 0));
}

/// Index of an interface.
pub(crate) fn link_index(socket: &mut Socket, name: &str) -> Result<u32, Failure> {
    let mut batch = Batch::default();
    batch.message(libc::RTM_GETLINK, 0, &link_header(0, 0, 0)).text(libc::IFLA_IFNAME, name);
    Ok(index_of(&socket.get(batch)?))
}

/// Indices of all interfaces of a group.
pub(crate) fn links_in_group(socket: &mut Socket, group: u32) -> Result<Vec<(u32, String)>, Failure> {
    let mut batch = Batch::default();
    batch.message(libc::RTM_GETLINK, libc::NLM_F_DUMP, &link_header(0, 0, 0));
    let mut found = Vec::new();
    socket.dump(batch, |link| {
        let (mut name, mut ours) = (String::new(), false);
        for (kind, value) in attributes(link.get(LINK_HEADER..).unwrap_or_default()) {
            match kind {
                libc::IFLA_GROUP => ours = value == group.to_ne_bytes(),
                libc::IFLA_IFNAME => name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
                _ => {}
            }
        }
        if ours {
            found.push((index_of(link), name));
        }
    })?;
    Ok(found)
}

/// Index of the interface that has an address.
pub(crate) fn link_with_address(socket: &mut Socket, ip: Ipv4Addr) -> Result<Option<u32>, Failure> {
    /// `struct ifaddrmsg`.
    const ADDRESS_HEADER: usize = 8;
    let mut batch = Batch::default();
    batch.message(libc::RTM_GETADDR, libc::NLM_F_DUMP, &[INET, 0, 0, 0, 0, 0, 0, 0]);
    let mut found = None;
    socket.dump(batch, |address| {
        let mut parts = attributes(address.get(ADDRESS_HEADER..).unwrap_or_default());
        if parts.any(|(kind, value)| kind == libc::IFA_LOCAL && value == ip.octets()) {
            found = Some(index_of(address));
        }
    })?;
    Ok(found)
}

fn index_of(link: &[u8]) -> u32 {
    link.get(4..8).map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn address_header(ip: IpAddr, scope: u8, index: u32) -> Vec<u8> {
    let (family, prefix) = if ip.is_ipv4() { (INET, 32) } else { (INET6, 128) };
    let mut header = vec![family, prefix, 0, scope];
    header.extend_from_slice(&index.to_ne_bytes());
    header
}

/// Appends: give an interface a single address.
pub(crate) fn add_address(batch: &mut Batch, index: u32, ip: IpAddr) {
    batch
        .message(libc::RTM_NEWADDR, CREATE, &address_header(ip, libc::RT_SCOPE_UNIVERSE, index))
        .attribute(libc::IFA_LOCAL, &octets(ip))
        .attribute(libc::IFA_ADDRESS, &octets(ip));
}

/// Appends: give the host an address of that scope (rtnetlink(7)). IPv4 addresses carry a label, by which
/// [`delete_host_address`] leaves those alone that somebody else has set.
pub(crate) fn add_host_address(batch: &mut Batch, index: u32, ip: IpAddr, label: &str, scope: u8) {
    batch
        .message(libc::RTM_NEWADDR, CREATE, &address_header(ip, scope, index))
        .attribute(libc::IFA_LOCAL, &octets(ip))
        .attribute(libc::IFA_ADDRESS, &octets(ip));
    if ip.is_ipv4() {
        batch.text(libc::IFA_LABEL, label);
    }
}

/// Appends: take an address of [`add_host_address`] away again.
pub(crate) fn delete_host_address(batch: &mut Batch, index: u32, ip: IpAddr, label: &str) {
    batch
        .message(libc::RTM_DELADDR, ACK, &address_header(ip, libc::RT_SCOPE_HOST, index))
        .attribute(libc::IFA_LOCAL, &octets(ip));
    if ip.is_ipv4() {
        batch.text(libc::IFA_LABEL, label);
    }
}

/// Appends: a neighbour that never has to be asked for.
pub(crate) fn add_neighbour(batch: &mut Batch, index: u32, ip: Ipv4Addr, mac: Mac) {
    /// `NUD_PERMANENT` of `linux/neighbour.h`.
    const PERMANENT: u16 = 0x80;
    let mut header = vec![INET, 0, 0, 0];
    header.extend_from_slice(&index.to_ne_bytes());
    header.extend_from_slice(&PERMANENT.to_ne_bytes());
    header.extend_from_slice(&[0, 0]);
    batch
        .message(libc::RTM_NEWNEIGH, REPLACE, &header)
        .attribute(libc::NDA_DST, &ip.octets())
        .attribute(libc::NDA_LLADDR, &mac);
}

/// Appends: a route in the main table, in place of another to the same network.
pub(crate) fn add_route(batch: &mut Batch, to: Ipv4Network, way: &Way) {
    route(batch, libc::RTM_NEWROUTE, REPLACE, to, way);
}

/// Appends: the end of a route.
pub(crate) fn delete_route(batch: &mut Batch, to: Ipv4Network, way: &Way) {
    route(batch, libc::RTM_DELROUTE, ACK, to, way);
}

/// Appends: the end of our route to a network, whatever its way.
pub(crate) fn delete_ours(batch: &mut Batch, to: Ipv4Network) {
    let mut header = vec![INET, to.prefix(), 0, 0, libc::RT_TABLE_MAIN, PROTOCOL, libc::RT_SCOPE_NOWHERE, 0];
    header.extend_from_slice(&[0; 4]);
    batch.message(libc::RTM_DELROUTE, ACK, &header).attribute(libc::RTA_DST, &to.network().octets());
}

fn route(batch: &mut Batch, message: u16, flags: i32, to: Ipv4Network, way: &Way) {
    /// `RTNH_F_ONLINK` of `linux/rtnetlink.h`.
    const ON_LINK: u32 = 4;
    let (scope, kind, next_hop) = match way {
        Way::Link(_) | Way::LinkFrom(..) => (libc::RT_SCOPE_LINK, libc::RTN_UNICAST, 0),
        Way::Via(..) => (libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST, ON_LINK),
        Way::Unreachable => (libc::RT_SCOPE_UNIVERSE, libc::RTN_UNREACHABLE, 0),
    };
    let mut header = vec![INET, to.prefix(), 0, 0, libc::RT_TABLE_MAIN, PROTOCOL, scope, kind];
    header.extend_from_slice(&next_hop.to_ne_bytes());
    batch.message(message, flags, &header);
    if to.prefix() > 0 {
        batch.attribute(libc::RTA_DST, &to.network().octets());
    }
    match way {
        Way::Link(index) => batch.attribute(libc::RTA_OIF, &index.to_ne_bytes()),
        Way::Via(router, index) => {
            batch.attribute(libc::RTA_GATEWAY, &router.octets()).attribute(libc::RTA_OIF, &index.to_ne_bytes())
        }
        Way::LinkFrom(index, source) => {
            batch.attribute(libc::RTA_OIF, &index.to_ne_bytes());
            if let Some(source) = source {
                batch.attribute(libc::RTA_PREFSRC, &source.octets());
            }
            batch
        }
        Way::Unreachable => batch,
    };
}
