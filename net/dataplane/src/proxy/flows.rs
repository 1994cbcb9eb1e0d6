//! Forgetting UDP flows whose endpoint is gone.
//!
//! Connection tracking keeps the translation of a flow as long as packets come. TCP
//! clients notice a dead endpoint and connect anew; a UDP client that keeps its port
//! would talk to nobody for ever.

use crate::netlink::{Batch, Failure, Socket, attributes, netfilter::header};
use podium_rules::services::{Change, Front, Protocol, Rule, RuleSet, Scope, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

// `linux/netfilter/nfnetlink_conntrack.h`.
const NFNL_SUBSYS_CTNETLINK: u16 = 1;
const IPCTNL_MSG_CT_GET: u16 = 1;
const IPCTNL_MSG_CT_DELETE: u16 = 2;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ID: u16 = 12;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
/// `struct nfgenmsg`, before the attributes.
const HEADER: usize = 4;

type Endpoint = (Ipv4Addr, u16);

/// UDP frontends some of whose flows may have lost their endpoint, and the endpoints they have now.
pub(super) fn affected(changes: &[Change], rules: &RuleSet) -> BTreeMap<Front, BTreeSet<Endpoint>> {
    let mut fronts: BTreeMap<Front, BTreeSet<Endpoint>> = BTreeMap::new();
    for change in changes {
        let front = match change.rule {
            Rule::Slot(_, front, _) | Rule::Peer(_, front, _) if change.old.is_some() => front,
            // Flows from before there were endpoints are not translated at all.
            Rule::Balance(_, front) if change.old.is_none() => front,
            _ => continue,
        };
        if front.protocol() == Protocol::Udp && !fronts.contains_key(&front) {
            let all = [Scope::Any, Scope::External].map(|scope| rules.endpoints(scope, front));
            fronts.insert(front, all.into_iter().flatten().collect());
        }
    }
    fronts.retain(|front, now| {
        changes.iter().any(|change| match (change.rule, change.old) {
            (Rule::Slot(_, f, _) | Rule::Peer(_, f, _), Some(Value::Endpoint(ip, port))) => {
                f == *front && !now.contains(&(ip, port))
            }
            (Rule::Balance(_, f), None) => f == *front,
            _ => false,
        })
    });
    fronts
}

#[derive(Clone, Copy, Debug, Default)]
struct Tuple {
    protocol: u8,
    source: Option<Endpoint>,
    target: Option<Endpoint>,
}

/// Forgets flows to the frontends whose replies come from none of their endpoints; returns how many.
pub(super) fn forget(socket: &mut Socket, fronts: &BTreeMap<Front, BTreeSet<Endpoint>>) -> Result<usize, Failure> {
    if fronts.is_empty() {
        return Ok(0);
    }
    let kind = |message: u16| NFNL_SUBSYS_CTNETLINK << 8 | message;
    let mut question = Batch::default();
    question.message(kind(IPCTNL_MSG_CT_GET), libc::NLM_F_DUMP, &header(libc::AF_INET, 0));
    let mut stale = Vec::new();
    socket.dump(question, |flow| {
        let (mut original, mut reply, mut id, mut wire) = (Tuple::default(), Tuple::default(), Vec::new(), Vec::new());
        for (kind, value) in attributes(flow.get(HEADER..).unwrap_or_default()) {
            match kind {
                CTA_TUPLE_ORIG => (original, wire) = (tuple(value), value.to_vec()),
                CTA_TUPLE_REPLY => reply = tuple(value),
                CTA_ID => id = value.to_vec(),
                _ => {}
            }
        }
        let (Some((ip, port)), Some(replier)) = (original.target, reply.source) else { return };
        if original.protocol != Protocol::Udp.number() {
            return;
        }
        let vip = fronts.get(&Front::Vip { ip, protocol: Protocol::Udp, port });
        let node = fronts.get(&Front::NodePort { protocol: Protocol::Udp, port });
        if vip.or(node).is_some_and(|endpoints| !endpoints.contains(&replier)) {
            stale.push((wire, id));
        }
    })?;
    let mut forgotten = 0;
    for (wire, id) in stale {
        let mut batch = Batch::default();
        batch
            .message(kind(IPCTNL_MSG_CT_DELETE), libc::NLM_F_ACK, &header(libc::AF_INET, 0))
            .nest(CTA_TUPLE_ORIG, |tuple| {
                tuple.raw(&wire);
            })
            .attribute(CTA_ID, &id);
        match socket.request(batch) {
            Ok(()) => forgotten += 1,
            // It has timed out meanwhile.
            Err(failure) if failure.is(libc::ENOENT) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(forgotten)
}

fn tuple(bytes: &[u8]) -> Tuple {
    let (mut from, mut to, mut protocol, mut ports) = (None, None, 0, [0; 2]);
    let address = |b: &[u8]| <[u8; 4]>::try_from(b).ok().map(Ipv4Addr::from);
    let port = |b: &[u8]| <[u8; 2]>::try_from(b).map_or(0, u16::from_be_bytes);
    for (kind, inner) in attributes(bytes) {
        for (field, value) in attributes(inner) {
            match (kind, field) {
                (CTA_TUPLE_IP, CTA_IP_V4_SRC) => from = address(value),
                (CTA_TUPLE_IP, CTA_IP_V4_DST) => to = address(value),
                (CTA_TUPLE_PROTO, CTA_PROTO_NUM) => protocol = value.first().copied().unwrap_or(0),
                (CTA_TUPLE_PROTO, CTA_PROTO_SRC_PORT) => ports[0] = port(value),
                (CTA_TUPLE_PROTO, CTA_PROTO_DST_PORT) => ports[1] = port(value),
                _ => {}
            }
        }
    }
    Tuple { protocol, source: from.map(|ip| (ip, ports[0])), target: to.map(|ip| (ip, ports[1])) }
}
