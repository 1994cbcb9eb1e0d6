//! The vocabulary of the service proxy: frontends, slots, refusals, and changes of them.

use ipnetwork::Ipv4Network;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

/// What the rules depend on besides Services: the node they are for.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeInfo {
    /// Name of the Node object; decides which endpoints are local.
    pub name: String,
    /// Addresses of the node.
    pub ips: Vec<IpAddr>,
    /// The node's part of the cluster CIDR, once assigned.
    pub pod_cidr: Option<Ipv4Network>,
    /// Addresses of all pods; traffic from elsewhere counts as external.
    pub cluster_cidr: Ipv4Network,
    /// Where the node itself answers DNS: that Service is never refused for want of endpoints.
    pub dns_ip: Option<IpAddr>,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
    /// RFC 9260.
    Sctp,
}

impl Protocol {
    /// IANA protocol number.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "TCP" | "tcp" => Ok(Self::Tcp),
            "UDP" | "udp" => Ok(Self::Udp),
            "SCTP" | "sctp" => Ok(Self::Sctp),
            _ => Err(()),
        }
    }
}

/// Whose traffic a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everybody's.
    Any,
    /// Traffic that enters from outside the cluster, where `externalTrafficPolicy: Local` holds;
    /// looked up before [`Scope::Any`] and never masqueraded.
    External,
}

/// What clients connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Front {
    /// A cluster, external or load balancer address.
    Vip {
        /// The address.
        ip: Ipv4Addr,
        /// Transport protocol.
        protocol: Protocol,
        /// The Service's port.
        port: u16,
    },
    /// A port on every address of the node.
    NodePort {
        /// Transport protocol.
        protocol: Protocol,
        /// The node port.
        port: u16,
    },
}

impl Front {
    /// Transport protocol of the frontend.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Vip { protocol, .. } | Self::NodePort { protocol, .. } => *protocol,
        }
    }
    /// Port that clients name.
    pub fn port(&self) -> u16 {
        match self {
            Self::Vip { port, .. } | Self::NodePort { port, .. } => *port,
        }
    }
}

/// The n-th endpoint of a frontend, counted from 0.
pub type Slot = u32;

/// One lookup: the key of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Choose among the slots of a frontend.
    Balance(Scope, Front),
    /// Which endpoint a slot stands for, without session affinity.
    Slot(Scope, Front, Slot),
    /// With session affinity: the address of the endpoint a slot stands for. What a client is
    /// bound to must not shift when slots do, so it is the address, not the slot.
    Pick(Scope, Front, Slot),
    /// With session affinity: the endpoint at an address. Missing, it frees the clients bound to it.
    Peer(Scope, Front, Ipv4Addr),
    /// A frontend nobody serves.
    Refuse(Scope, Front),
    /// A local pod that may reach itself through a Service, which needs masquerading.
    Hairpin(Ipv4Addr),
}

/// How traffic to a frontend without endpoints ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Told at once: nobody serves it at all.
    Reject,
    /// Silently: served, but not by this node, as the traffic policies say.
    Drop,
}

/// What a [`Rule`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Rule::Balance`].
    Balance {
        /// Number of slots, at least 1.
        slots: u32,
        /// `sessionAffinity: ClientIP`: for how many seconds a client keeps its endpoint.
        affinity: Option<u32>,
    },
    /// Of [`Rule::Slot`] and [`Rule::Peer`]: address and port of an endpoint.
    Endpoint(Ipv4Addr, u16),
    /// Of [`Rule::Pick`].
    Address(Ipv4Addr),
    /// Of [`Rule::Refuse`].
    Refuse(Refusal),
    /// Of [`Rule::Hairpin`].
    Present,
}

/// All lookups of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// Every element, in order.
    pub rules: BTreeMap<Rule, Value>,
}

impl RuleSet {
    /// Makes changes happen.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change.new {
                Some(value) => self.rules.insert(change.rule, value),
                None => self.rules.remove(&change.rule),
            };
        }
    }

    /// What `changes`, which may be several after each other, would change here: at most one per
    /// rule, in the order of the rules, with what is there now as the old value.
    pub fn effective(&self, changes: &[Change]) -> Vec<Change> {
        let last: BTreeMap<Rule, Option<Value>> = changes.iter().map(|change| (change.rule, change.new)).collect();
        let each = last.into_iter().map(|(rule, new)| Change { rule, old: self.rules.get(&rule).copied(), new });
        each.filter(|change| change.old != change.new).collect()
    }

    /// Endpoints behind a frontend, in order.
    pub fn endpoints(&self, scope: Scope, front: Front) -> impl Iterator<Item = (Ipv4Addr, u16)> {
        let slots = Rule::Slot(scope, front, 0)..=Rule::Slot(scope, front, Slot::MAX);
        let peers = Rule::Peer(scope, front, Ipv4Addr::UNSPECIFIED)..=Rule::Peer(scope, front, Ipv4Addr::BROADCAST);
        self.rules.range(slots).chain(self.rules.range(peers)).filter_map(|(_, value)| match value {
            Value::Endpoint(ip, port) => Some((*ip, *port)),
            _ => None,
        })
    }
}

/// One element that differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Which element.
    pub rule: Rule,
    /// What it was; `None` when it is new.
    pub old: Option<Value>,
    /// What it becomes; `None` when it goes.
    pub new: Option<Value>,
}

/// What turns `old` into `new`, in the order of the rules.
pub fn diff(old: &RuleSet, new: &RuleSet) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut left, mut right) = (old.rules.iter().peekable(), new.rules.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return changes,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let was = if order.is_le() { left.next() } else { None };
        let is = if order.is_ge() { right.next() } else { None };
        let (was_value, is_value) = (was.map(|(_, v)| *v), is.map(|(_, v)| *v));
        if let Some((rule, _)) = was.or(is)
            && was_value != is_value
        {
            changes.push(Change { rule: *rule, old: was_value, new: is_value });
        }
    }
}
