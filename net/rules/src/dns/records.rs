//! Resource records, as far as a cluster needs them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Another name for a name.
    Cname,
    /// Port and host of a named port (RFC 2782).
    Srv,
    /// Name of an address.
    Ptr,
    /// Text; only `dns-version` has one.
    Txt,
    /// Authority of the zone.
    Soa,
    /// Name server of the zone.
    Ns,
    /// All of them.
    Any,
    /// One that the cluster has none of.
    Other,
}

/// Contents of a record. Names are absolute, in lower case, without the final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// Nothing: the name merely exists.
    None,
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// Canonical name.
    Cname(String),
    /// RFC 2782.
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// Share among equals.
        weight: u16,
        /// Port number.
        port: u16,
        /// Host name.
        target: String,
    },
    /// Name of an address.
    Ptr(String),
    /// Text.
    Txt(String),
    /// Name server.
    Ns(String),
    /// Start of authority; its `minimum` is the time a negative answer may be kept.
    Soa {
        /// Primary name server.
        primary: String,
        /// Mailbox, with a dot for the at sign.
        mailbox: String,
        /// Rises with every change.
        serial: u32,
        /// Seconds.
        minimum: u32,
    },
}

impl Data {
    /// The type of the record.
    pub fn record_type(&self) -> RecordType {
        match self {
            Self::None => RecordType::Other,
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Cname(_) => RecordType::Cname,
            Self::Srv { .. } => RecordType::Srv,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Txt(_) => RecordType::Txt,
            Self::Ns(_) => RecordType::Ns,
            Self::Soa { .. } => RecordType::Soa,
        }
    }
}

impl From<IpAddr> for Data {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::A(ip),
            IpAddr::V6(ip) => Self::Aaaa(ip),
        }
    }
}

/// A record with its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Absolute name in lower case, without the final dot.
    pub name: String,
    /// Seconds it may be kept.
    pub ttl: u32,
    /// Contents.
    pub data: Data,
}
