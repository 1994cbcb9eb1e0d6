//! From a question on the wire to an answer on the wire.

use super::upstream::Upstream;
use arc_swap::ArcSwap;
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT},
    },
};
use podium_rules::dns::{self, Code, Data, Zone};
use std::sync::Arc;

/// Largest answer over UDP, to those who say that they can take it: what passes without fragments (DNS flag day 2020).
const MAX_UDP: u16 = 1232;
/// Largest answer over UDP to everybody else (RFC 1035 2.3.4).
const MIN_UDP: u16 = 512;

// Of SOA records (RFC 1912 2.2); nobody transfers this zone.
const REFRESH_SECONDS: i32 = 7200;
const RETRY_SECONDS: i32 = 1800;
const EXPIRE_SECONDS: i32 = 86_400;

/// Answers questions.
pub(super) struct Responder {
    zone: Arc<ArcSwap<Zone>>,
    upstream: Upstream,
}

/// What a question needs.
pub(super) enum Reply {
    /// The answer, ready to be sent.
    Now(Vec<u8>),
    /// An answer from outside, which takes time.
    Later(Box<Pending>),
    /// Nothing: that was no question.
    Never,
}

/// A question that must be asked elsewhere.
pub(super) struct Pending {
    message: Message,
    name: Name,
    kind: RecordType,
    limit: usize,
}

impl Responder {
    /// Answers from `zone`, or else from `upstream`.
    pub fn new(zone: Arc<ArcSwap<Zone>>, upstream: Upstream) -> Self {
        Self { zone, upstream }
    }

    /// Answers what the cluster knows. `udp` limits the answer's length.
    pub fn reply(&self, question: &[u8], udp: bool) -> Reply {
        let Ok(request) = Message::from_vec(question) else { return Reply::Never };
        if request.metadata.message_type != MessageType::Query {
            return Reply::Never;
        }
        let limit = if udp { request.max_payload().clamp(MIN_UDP, MAX_UDP) } else { u16::MAX };
        let limit = usize::from(limit);
        let mut message = Message::response(request.metadata.id, request.metadata.op_code);
        message.metadata.recursion_desired = request.metadata.recursion_desired;
        message.metadata.recursion_available = true;
        message.queries.clone_from(&request.queries);
        if request.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(MAX_UDP);
            message.edns = Some(edns);
        }
        let [query] = request.queries.as_slice() else { return fail(message, ResponseCode::FormErr, limit) };
        if request.metadata.op_code != OpCode::Query {
            return fail(message, ResponseCode::NotImp, limit);
        }
        if !matches!(query.query_class(), DNSClass::IN | DNSClass::ANY) {
            return fail(message, ResponseCode::Refused, limit);
        }
        let answer = dns::answer(&self.zone.load(), &query.name().to_ascii(), kind(query.query_type()));
        message.metadata.response_code = match answer.code {
            Code::NotAuthoritative => {
                let (name, kind) = (query.name().clone(), query.query_type());
                return Reply::Later(Box::new(Pending { message, name, kind, limit }));
            }
            Code::NoError => ResponseCode::NoError,
            Code::NxDomain => ResponseCode::NXDomain,
        };
        message.metadata.authoritative = true;
        message.answers = answer.records.iter().filter_map(record).collect();
        message.authorities = answer.authority.iter().filter_map(record).collect();
        message.additionals = answer.additional.iter().filter_map(record).collect();
        // Case as asked for, which careful resolvers check (draft-vixie-dnsext-dns0x20).
        for answer in message.answers.iter_mut().filter(|answer| answer.name == *query.name()) {
            answer.name = query.name().clone();
        }
        match answer.chase.as_deref().map(name) {
            Some(Some(target)) => {
                Reply::Later(Box::new(Pending { message, name: target, kind: query.query_type(), limit }))
            }
            _ => encode(message, limit),
        }
    }

    /// Asks elsewhere and completes the answer.
    pub async fn finish(&self, pending: Pending) -> Reply {
        let Pending { mut message, name, kind, limit } = pending;
        let outcome = self.upstream.ask(&name, kind).await;
        message.metadata.response_code = outcome.code;
        message.answers.extend(outcome.answers);
        message.authorities.extend(outcome.authorities);
        encode(message, limit)
    }
}

fn fail(mut message: Message, code: ResponseCode, limit: usize) -> Reply {
    message.metadata.response_code = code;
    encode(message, limit)
}

/// Too long an answer is sent without its records, so that the client asks again over TCP.
fn encode(message: Message, limit: usize) -> Reply {
    match message.to_vec() {
        Ok(bytes) if bytes.len() <= limit => Reply::Now(bytes),
        Ok(_) => message.truncate().to_vec().map_or(Reply::Never, Reply::Now),
        Err(error) => {
            tracing::debug!(%error, "cannot encode an answer");
            Reply::Never
        }
    }
}

fn kind(kind: RecordType) -> dns::RecordType {
    match kind {
        RecordType::A => dns::RecordType::A,
        RecordType::AAAA => dns::RecordType::Aaaa,
        RecordType::CNAME => dns::RecordType::Cname,
        RecordType::SRV => dns::RecordType::Srv,
        RecordType::PTR => dns::RecordType::Ptr,
        RecordType::TXT => dns::RecordType::Txt,
        RecordType::SOA => dns::RecordType::Soa,
        RecordType::NS => dns::RecordType::Ns,
        RecordType::ANY => dns::RecordType::Any,
        _ => dns::RecordType::Other,
    }
}

fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A record on the wire; none when a name cannot be one (ExternalName is free text).
fn record(record: &dns::Record) -> Option<Record> {
    let data = match &record.data {
        Data::None => return None,
        Data::A(ip) => RData::A(A(*ip)),
        Data::Aaaa(ip) => RData::AAAA(AAAA(*ip)),
        Data::Cname(target) => RData::CNAME(CNAME(name(target)?)),
        Data::Ptr(target) => RData::PTR(PTR(name(target)?)),
        Data::Ns(target) => RData::NS(NS(name(target)?)),
        Data::Txt(text) => RData::TXT(TXT::new(vec![text.clone()])),
        Data::Srv { priority, weight, port, target } => RData::SRV(SRV::new(*priority, *weight, *port, name(target)?)),
        Data::Soa { primary, mailbox, serial, minimum } => RData::SOA(SOA::new(
            name(primary)?,
            name(mailbox)?,
            *serial,
            REFRESH_SECONDS,
            RETRY_SECONDS,
            EXPIRE_SECONDS,
            *minimum,
        )),
    };
    Some(Record::from_rdata(name(&record.name)?, record.ttl, data))
}
