//! Where a rule stands in nftables: map, key and data, as text and as bytes.

use crate::netlink::netfilter::{Data, Register};
use podium_rules::services::{Front, Refusal, Rule, Scope, Value};
use std::net::Ipv4Addr;

/// Maps of addresses and of node ports, for everybody and for traffic from outside.
pub(super) const PREFIXES: [&str; 4] = ["vip", "xvip", "node", "xnode"];
/// Set of local pods that may reach themselves.
pub(super) const HAIRPIN: &str = "hairpin";
/// Chain that rejects.
pub(super) const REJECT: &str = "turned_away";

/// A chain that chooses among `slots` endpoints; shared by all frontends with as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chooser {
    /// Index into [`PREFIXES`].
    pub family: usize,
    /// Number of endpoints.
    pub slots: u32,
    /// Seconds that a client stays with its endpoint.
    pub affinity: Option<u32>,
}

impl Chooser {
    /// The chain's name.
    pub fn chain(&self) -> String {
        let (prefix, slots) = (PREFIXES[self.family], self.slots);
        match self.affinity {
            None => format!("{prefix}_lb{slots}"),
            Some(seconds) => format!("{prefix}_aff{slots}_{seconds}"),
        }
    }
}

/// The maps of a frontend: index into [`PREFIXES`].
fn family(scope: Scope, front: &Front) -> usize {
    let outside = usize::from(scope == Scope::External);
    match front {
        Front::Vip { .. } => outside,
        Front::NodePort { .. } => 2 + outside,
    }
}

/// The chain that a rule's value leads to, if it leads to one that depends on the value.
pub(super) fn chooser(rule: &Rule, value: &Value) -> Option<Chooser> {
    match (rule, value) {
        (Rule::Balance(scope, front), Value::Balance { slots, affinity }) => {
            Some(Chooser { family: family(*scope, front), slots: *slots, affinity: *affinity })
        }
        _ => None,
    }
}

/// Name of the map and key of a rule.
pub(super) fn key(rule: &Rule) -> (String, Register) {
    let map = |scope: &Scope, front: &Front, what: &str| format!("{}_{what}", PREFIXES[family(*scope, front)]);
    match rule {
        Rule::Balance(scope, front) => (map(scope, front, "front"), front_key(front)),
        Rule::Refuse(scope, front) => (map(scope, front, "refuse"), front_key(front)),
        Rule::Slot(scope, front, slot) => (map(scope, front, "slot"), front_key(front).part(&slot.to_ne_bytes())),
        Rule::Pick(scope, front, slot) => (map(scope, front, "pick"), front_key(front).part(&slot.to_ne_bytes())),
        Rule::Peer(scope, front, ip) => (map(scope, front, "peer"), front_key(front).part(&mark(*ip).to_ne_bytes())),
        Rule::Hairpin(ip) => (HAIRPIN.to_owned(), Register::default().part(&ip.octets()).part(&ip.octets())),
    }
}

fn front_key(front: &Front) -> Register {
    let key = match front {
        Front::Vip { ip, .. } => Register::default().part(&ip.octets()),
        Front::NodePort { .. } => Register::default(),
    };
    key.part(&[front.protocol().number()]).part(&front.port().to_be_bytes())
}

/// What a rule's element finds.
pub(super) fn data(rule: &Rule, value: &Value) -> Data {
    match value {
        Value::Balance { .. } => chooser(rule, value).map_or(Data::Drop, |chooser| Data::Goto(chooser.chain())),
        Value::Endpoint(ip, port) => Data::Value(Register::default().part(&ip.octets()).part(&port.to_be_bytes()).0),
        Value::Address(ip) => Data::Value(mark(*ip).to_ne_bytes().to_vec()),
        Value::Refuse(Refusal::Reject) => Data::Goto(REJECT.to_owned()),
        Value::Refuse(Refusal::Drop) => Data::Drop,
        Value::Present => Data::Member,
    }
}

/// The element in nftables' language.
pub(super) fn text(rule: &Rule, value: &Value) -> String {
    let key = match rule {
        Rule::Balance(_, front) | Rule::Refuse(_, front) => front_text(front),
        Rule::Slot(_, front, slot) | Rule::Pick(_, front, slot) => format!("{} . {slot}", front_text(front)),
        Rule::Peer(_, front, ip) => format!("{} . {:#x}", front_text(front), mark(*ip)),
        Rule::Hairpin(ip) => format!("{ip} . {ip}"),
    };
    match data(rule, value) {
        Data::Member => key,
        Data::Drop => format!("{key} : drop"),
        Data::Goto(chain) => format!("{key} : goto {chain}"),
        Data::Value(_) => match value {
            Value::Endpoint(ip, port) => format!("{key} : {ip} . {port}"),
            Value::Address(ip) => format!("{key} : {:#x}", mark(*ip)),
            _ => key,
        },
    }
}

fn front_text(front: &Front) -> String {
    match front {
        Front::Vip { ip, protocol, port } => format!("{ip} . {protocol} . {port}"),
        Front::NodePort { protocol, port } => format!("{protocol} . {port}"),
    }
}

/// An endpoint's address as a connection mark, in which a chain carries it from map to map.
fn mark(ip: Ipv4Addr) -> u32 {
    u32::from(ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use podium_rules::services::Protocol;

    #[test]
    fn elements_as_text_and_bytes() {
        let vip = Front::Vip { ip: Ipv4Addr::new(10, 96, 0, 1), protocol: Protocol::Tcp, port: 443 };
        let node = Front::NodePort { protocol: Protocol::Udp, port: 30_053 };
        let ip = Ipv4Addr::new(10, 244, 0, 2);
        for (rule, value, map, expected) in [
            (
                Rule::Balance(Scope::Any, vip),
                Value::Balance { slots: 3, affinity: None },
                "vip_front",
                "10.96.0.1 . tcp . 443 : goto vip_lb3",
            ),
            (
                Rule::Balance(Scope::External, node),
                Value::Balance { slots: 1, affinity: Some(60) },
                "xnode_front",
                "udp . 30053 : goto xnode_aff1_60",
            ),
            (
                Rule::Slot(Scope::Any, node, 2),
                Value::Endpoint(ip, 53),
                "node_slot",
                "udp . 30053 . 2 : 10.244.0.2 . 53",
            ),
            (
                Rule::Pick(Scope::External, vip, 0),
                Value::Address(ip),
                "xvip_pick",
                "10.96.0.1 . tcp . 443 . 0 : 0xaf40002",
            ),
            (Rule::Refuse(Scope::Any, vip), Value::Refuse(Refusal::Drop), "vip_refuse", "10.96.0.1 . tcp . 443 : drop"),
            (Rule::Hairpin(ip), Value::Present, "hairpin", "10.244.0.2 . 10.244.0.2"),
        ] {
            assert_eq!((key(&rule).0.as_str(), text(&rule, &value).as_str()), (map, expected));
        }
        let bytes = key(&Rule::Slot(Scope::Any, vip, 0)).1.0;
        assert_eq!(bytes, [10, 96, 0, 1, 6, 0, 0, 0, 1, 187, 0, 0, 0, 0, 0, 0]);
    }
}
