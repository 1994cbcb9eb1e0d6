//! `hostPort` and the pods' way to the world, in an nftables table.

use super::{Attachment, HostPort, NetworkConfig};
use crate::{
    id::Id,
    netlink::netfilter::{Data, Register, Transaction},
};
use podium_rules::services::Protocol;
use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr},
};

/// Of one address of the node.
const BY_ADDRESS: &str = "hostport_ip";
/// Of all addresses of the node.
const ANYWHERE: &str = "hostport";
/// Pods that may reach themselves through the node.
const HAIRPIN: &str = "hairpin";

/// The whole table, with the ports of `attachments`; replaces an older one in one transaction.
pub(super) fn table(id: &Id, config: &NetworkConfig, attachments: &[Attachment]) -> String {
    let table = id.network_table();
    let mut text = format!("add table ip {table}\ndelete table ip {table}\ntable ip {table} {{\n");
    let mut maps = [(BY_ADDRESS, String::new()), (ANYWHERE, String::new()), (HAIRPIN, String::new())];
    for attachment in attachments {
        let IpAddr::V4(ip) = attachment.ip else { continue };
        for port in &attachment.host_ports {
            let (proto, to) = (port.protocol, format!("{ip} . {}", port.container_port));
            let at = usize::from(port.address().is_none());
            let address = port.address().map(|a| format!("{a} . ")).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = write!(maps[at].1, "{address}{proto} . {} : {to}, ", port.host_port);
        }
        if !attachment.host_ports.is_empty() {
            let _ = write!(maps[2].1, "{ip} . {ip}, ");
        }
    }
    for (name, elements) in &maps {
        let (sort, types) = match *name {
            BY_ADDRESS => ("map", "typeof ip daddr . meta l4proto . th dport : ip daddr . th dport"),
            ANYWHERE => ("map", "typeof meta l4proto . th dport : ip daddr . th dport"),
            _ => ("set", "type ipv4_addr . ipv4_addr"),
        };
        let elements = match elements.strip_suffix(", ") {
            Some(list) => format!("elements = {{ {list} }}"),
            None => String::new(),
        };
        let _ = writeln!(text, "  {sort} {name} {{ {types}; {elements} }}");
    }
    let NetworkConfig { pod_cidr, cluster_cidr, service_cidr, .. } = config;
    let _ = write!(
        text,
        "  chain ports {{
    dnat ip to ip daddr . meta l4proto . th dport map @{BY_ADDRESS}
    fib daddr type local ip daddr != {service_cidr} dnat ip to meta l4proto . th dport map @{ANYWHERE}
  }}
  chain nat_pre {{ type nat hook prerouting priority dstnat; meta l4proto {{ tcp, udp, sctp }} jump ports; }}
  chain nat_out {{ type nat hook output priority -100; meta l4proto {{ tcp, udp, sctp }} jump ports; }}
  chain nat_post {{ type nat hook postrouting priority srcnat;
    oifname \"lo\" return
    ct status & dnat == dnat ip saddr . ip daddr @{HAIRPIN} masquerade
    ip saddr 127.0.0.0/8 masquerade
    ip saddr {pod_cidr} ip daddr != {{ {cluster_cidr}, 224.0.0.0/4 }} masquerade fully-random
  }}
  chain raw_pre {{ type filter hook prerouting priority raw;
    iifname != \"lo\" ip daddr 127.0.0.0/8 drop
    iifname != \"lo\" ip saddr 127.0.0.0/8 drop
  }}
}}
"
    );
    text
}

/// Adds or removes a pod's ports in the table.
pub(super) fn change(transaction: &mut Transaction<'_>, ip: Ipv4Addr, ports: &[HostPort], add: bool) {
    for port in ports {
        let service = Register::default().part(&[port.protocol.number()]).part(&port.host_port.to_be_bytes());
        let (map, key) = match port.address() {
            Some(address) => (BY_ADDRESS, Register([&address.octets()[..], &service.0].concat())),
            None => (ANYWHERE, service),
        };
        let to = Register::default().part(&ip.octets()).part(&port.container_port.to_be_bytes());
        if add {
            transaction.add(map, &key, &Data::Value(to.0));
        } else {
            transaction.remove(map, &key);
        }
    }
    if !ports.is_empty() {
        let key = Register::default().part(&ip.octets()).part(&ip.octets());
        if add {
            transaction.add(HAIRPIN, &key, &Data::Member);
        } else {
            transaction.remove(HAIRPIN, &key);
        }
    }
}

impl HostPort {
    /// The one address of the node it is for; 0.0.0.0 means all of them.
    fn address(&self) -> Option<Ipv4Addr> {
        self.host_ip.filter(|ip| !ip.is_unspecified())
    }

    /// Whether both want the same port of the same address.
    pub(super) fn collides(&self, other: &Self) -> bool {
        let address = match (self.address(), other.address()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        address && (self.protocol, self.host_port) == (other.protocol, other.host_port)
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(ip) = self.address() {
            write!(f, "{ip}:")?;
        }
        write!(f, "{}/{}", self.host_port, protocol_name(self.protocol))
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}
