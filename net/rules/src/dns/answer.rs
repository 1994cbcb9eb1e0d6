//! Answering a question from the zone.

use super::{Data, Record, RecordType, Zone, zone::SERVICE_TTL};
use std::net::{IpAddr, Ipv4Addr};

/// How many CNAMEs one answer follows; ExternalName Services can form a circle.
const MAX_CHASE: usize = 8;

/// Response code of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The name exists (with or without records of the type asked for).
    NoError,
    /// The name does not exist.
    NxDomain,
    /// The name is not ours: ask upstream.
    NotAuthoritative,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How it went.
    pub code: Code,
    /// The answer section.
    pub records: Vec<Record>,
    /// The extra section: addresses of the hosts that SRV records name.
    pub additional: Vec<Record>,
    /// SOA for the authority section of a negative answer.
    pub authority: Option<Record>,
    /// A CNAME led to this name outside the zone: its records are to be fetched upstream and added.
    pub chase: Option<String>,
}

/// Answers a question about `name` (any case, final dot or not).
pub fn answer(zone: &Zone, name: &str, kind: RecordType) -> Answer {
    let mut answer =
        Answer { code: Code::NoError, records: Vec::new(), additional: Vec::new(), authority: None, chase: None };
    let mut name = name.trim_end_matches('.').to_ascii_lowercase();
    if !ours(zone, &name) {
        answer.code = Code::NotAuthoritative;
        return answer;
    }
    for _ in 0..=MAX_CHASE {
        let Some(found) = lookup(zone, &name) else {
            answer.code = Code::NxDomain;
            break;
        };
        let (canonical, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|record| record.data.record_type() == RecordType::Cname);
        answer.records.extend(others.into_iter().filter(|record| wanted(kind, record.data.record_type())));
        let Some(alias) = canonical.into_iter().next() else { break };
        let Data::Cname(target) = alias.data.clone() else { break };
        answer.records.push(alias);
        if matches!(kind, RecordType::Cname | RecordType::Any) {
            break;
        }
        if !ours(zone, &target) {
            answer.chase = Some(target);
            break;
        }
        name = target;
    }
    for record in &answer.records {
        if let Data::Srv { target, .. } = &record.data
            && !answer.additional.iter().any(|known| known.name == *target)
        {
            let hosts = lookup(zone, target).unwrap_or_default();
            answer.additional.extend(hosts.into_iter().filter(|r| matches!(r.data, Data::A(_) | Data::Aaaa(_))));
        }
    }
    let served = answer.records.last().is_some_and(|record| wanted(kind, record.data.record_type()));
    if answer.chase.is_none() && !served {
        answer.authority = Some(zone.authority());
    }
    answer
}

fn wanted(kind: RecordType, record: RecordType) -> bool {
    kind == record || kind == RecordType::Any
}

/// Whether the name is in the domain or asks for the name of an address of the cluster.
fn ours(zone: &Zone, name: &str) -> bool {
    let within = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    within(&zone.config().domain)
        || ours_in_reverse(zone, name)
        || (name.ends_with(".arpa") && zone.find(name).is_some_and(|records| !records.is_empty()))
}

fn ours_in_reverse(zone: &Zone, name: &str) -> bool {
    let Some(labels) = name.strip_suffix(".in-addr.arpa") else { return false };
    let mut octets = Vec::new();
    for label in labels.rsplit('.') {
        let Ok(octet) = label.parse::<u8>() else { return false };
        octets.push(octet);
    }
    // A shorter name is a zone cut somewhere above; only those inside a range are ours.
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| octets.get(i).copied().unwrap_or(0));
    let ip = Ipv4Addr::new(a, b, c, d);
    octets.len() <= 4
        && zone.config().reverse.iter().any(|net| net.contains(ip) && octets.len() * 8 >= usize::from(net.prefix()))
}

fn lookup(zone: &Zone, name: &str) -> Option<Vec<Record>> {
    let domain = &zone.config().domain;
    if name == domain {
        let mut records = zone.find(name).unwrap_or_default();
        records.push(zone.authority());
        return Some(records);
    }
    if let Some(pods) = name.strip_suffix(domain).and_then(|rest| rest.strip_suffix(".pod.")) {
        return pod(name, pods);
    }
    zone.find(name)
}

/// Names of pods are their addresses, spelt out: any address has one, without a look at the
/// pods (as CoreDNS's `pods insecure`, which kubeadm sets), so nodes need not watch them all.
fn pod(name: &str, labels: &str) -> Option<Vec<Record>> {
    let (address, namespace) = match labels.split_once('.') {
        Some(parts) => parts,
        None => return Some(Vec::new()),
    };
    if namespace.is_empty() || namespace.contains('.') {
        return None;
    }
    let v4 = || address.replace('-', ".").parse().ok().map(IpAddr::V4);
    let v6 = || address.replace('-', ":").parse().ok().map(IpAddr::V6);
    let ip = v4().or_else(v6)?;
    Some(vec![Record { name: name.to_owned(), ttl: SERVICE_TTL, data: ip.into() }])
}
