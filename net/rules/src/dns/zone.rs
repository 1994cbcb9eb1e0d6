//! The names of the cluster.
//!
//! Names are kept by their labels from the root down (`local.cluster.svc.…`), so that a
//! name's descendants stand right behind it: whether an empty non-terminal exists is one
//! look. The maps are persistent: a change costs what its own Service costs, and readers
//! keep the zone they have.

use super::{Data, Record, names::service_records};
use crate::services::{group, key};
use ipnetwork::Ipv4Network;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use podium_types::Key;
use rpds::RedBlackTreeMapSync;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// Seconds an answer about a Service's own address may be kept.
pub const SERVICE_TTL: u32 = 30;
/// Seconds an answer about endpoints, or that there is nothing, may be kept.
pub const ENDPOINT_TTL: u32 = 5;
/// Version of the specification that names follow, at `dns-version.<domain>`.
const SPECIFICATION: &str = "1.1.0";

/// What the zone depends on besides Services.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneConfig {
    /// Usually `cluster.local`.
    pub domain: String,
    /// Where the name server answers.
    pub dns_ip: IpAddr,
    /// Reverse names within these ranges are ours, whether they exist or not.
    pub reverse: Vec<Ipv4Network>,
}

/// Records of one name, by the Service that claims them.
type Claims = BTreeMap<Key, Vec<(u32, Data)>>;

/// The names of the cluster at one moment; a cheap value to copy and publish.
#[derive(Clone, Debug)]
pub struct Zone {
    config: Arc<ZoneConfig>,
    names: RedBlackTreeMapSync<String, Arc<Claims>>,
    owned: RedBlackTreeMapSync<Key, Arc<Vec<String>>>,
    serial: u32,
}

impl Zone {
    /// No Services yet.
    pub fn new(config: ZoneConfig) -> Self {
        let domain = config.domain.trim_matches('.').to_ascii_lowercase();
        let config = Arc::new(ZoneConfig { domain, ..config });
        let zone =
            Self { config, names: RedBlackTreeMapSync::new_sync(), owned: RedBlackTreeMapSync::new_sync(), serial: 0 };
        let domain = &zone.config.domain;
        let server = format!("ns.dns.{domain}");
        let own = vec![
            (domain.clone(), SERVICE_TTL, Data::Ns(server.clone())),
            (server, SERVICE_TTL, zone.config.dns_ip.into()),
            (format!("dns-version.{domain}"), SERVICE_TTL, Data::Txt(SPECIFICATION.to_owned())),
            // The branches every cluster has, also before their first name.
            (format!("svc.{domain}"), 0, Data::None),
            (format!("pod.{domain}"), 0, Data::None),
        ];
        zone.put(&Key::default(), own)
    }

    /// All Services at once.
    pub fn build(config: ZoneConfig, services: &[Arc<Service>], slices: &[Arc<EndpointSlice>]) -> Self {
        let groups = group(slices);
        let mut zone = Self::new(config);
        for service in services {
            let key = key(service);
            let slices = groups.get(&key).map(Vec::as_slice).unwrap_or_default();
            zone = zone.with(&key, Some(service), slices);
        }
        zone
    }

    /// The zone with the present state of one Service (`None`: gone) and of the slices labelled with
    /// its name. Costs what that Service costs; the old zone stays as it was.
    pub fn with(&self, key: &Key, service: Option<&Service>, slices: &[Arc<EndpointSlice>]) -> Self {
        let records = service.map(|service| service_records(key, service, slices, &self.config.domain));
        self.put(key, records.unwrap_or_default())
    }

    /// What the zone was made with.
    pub fn config(&self) -> &ZoneConfig {
        &self.config
    }

    /// The SOA record, which goes with negative answers.
    pub fn authority(&self) -> Record {
        let domain = &self.config.domain;
        let data = Data::Soa {
            primary: format!("ns.dns.{domain}"),
            mailbox: format!("hostmaster.{domain}"),
            serial: self.serial,
            minimum: ENDPOINT_TTL,
        };
        Record { name: domain.clone(), ttl: ENDPOINT_TTL, data }
    }

    /// Records of a name in lower case, without the final dot; `None` when there is no such name.
    /// A name that only has descendants is there, without records.
    pub(super) fn find(&self, name: &str) -> Option<Vec<Record>> {
        let path = path(name);
        let (at, claims) = self.names.range(path.clone()..).next().filter(|(at, _)| at.starts_with(&path))?;
        if *at != path {
            return Some(Vec::new());
        }
        let all = claims.values().flatten().filter(|(_, data)| *data != Data::None);
        Some(all.map(|(ttl, data)| Record { name: name.to_owned(), ttl: *ttl, data: data.clone() }).collect())
    }

    fn put(&self, owner: &Key, records: Vec<(String, u32, Data)>) -> Self {
        let mut zone = self.clone();
        zone.serial = self.serial.wrapping_add(1);
        for path in self.owned.get(owner).into_iter().flat_map(|paths| paths.iter()) {
            zone.change(path, |claims| {
                claims.remove(owner);
            });
        }
        let mut paths = Vec::with_capacity(records.len());
        for (name, ttl, data) in records {
            let path = path(&name);
            zone.change(&path, |claims| {
                let list = claims.entry(owner.clone()).or_default();
                if !list.iter().any(|(_, known)| *known == data) {
                    list.push((ttl, data));
                }
            });
            paths.push(path);
        }
        if paths.is_empty() {
            zone.owned.remove_mut(owner);
        } else {
            zone.owned.insert_mut(owner.clone(), Arc::new(paths));
        }
        zone
    }

    fn change(&mut self, path: &str, edit: impl FnOnce(&mut Claims)) {
        let mut claims = self.names.get(path).cloned().unwrap_or_default();
        edit(Arc::make_mut(&mut claims));
        if claims.is_empty() {
            self.names.remove_mut(path);
        } else {
            self.names.insert_mut(path.to_owned(), claims);
        }
    }
}

/// Labels from the root down, each followed by a dot.
fn path(name: &str) -> String {
    let mut path = String::with_capacity(name.len() + 1);
    for label in name.rsplit('.').filter(|label| !label.is_empty()) {
        path.push_str(label);
        path.push('.');
    }
    path
}
