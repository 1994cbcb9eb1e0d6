//! Says that a range is ready, and holds one that goes until its addresses are free or covered by another.

use super::{ADDRESSES, RANGES};
use crate::{Controller, Ids, Plan, PlannedWrite, View, time, view::Header, write};
use ipnetwork::IpNetwork;
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::net::IpAddr;

const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
const IN_USE: &str =
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";

/// The controller of ServiceCIDRs.
pub struct RangeController;

fn networks(range: &Value) -> Vec<IpNetwork> {
    let texts = range["spec"]["cidrs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// Whether an address lies in this range and in no other that stays.
fn depends(view: &View, header: &Header, own: &[IpNetwork]) -> bool {
    let others = view.of_kind(RANGES).filter(|other| other.key() != header.key() && !other.deleting);
    let others: Vec<IpNetwork> = others.flat_map(|other| networks(&other.object.value())).collect();
    let within = |list: &[IpNetwork], address: IpAddr| list.iter().any(|network| network.contains(address));
    let mut addresses = view.of_kind(ADDRESSES).filter_map(|address| address.key().name.parse::<IpAddr>().ok());
    addresses.any(|address| within(own, address) && !within(&others, address))
}

fn ready(
    range: &Value,
    header: &Header,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Option<PlannedWrite> {
    let old = range["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
    if old.is_some_and(|old| old["status"] == status && old["reason"] == reason) {
        return None;
    }
    let condition = json!({"type": "Ready", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": time::stamp(now)});
    let PlannedWrite::Patch { resource, key, uid, patch, .. } =
        write::patch_header(header, json!({"status": {"conditions": [condition]}}))
    else {
        return None;
    };
    Some(PlannedWrite::Patch { resource, subresource: "status", key, uid, revision: None, patch })
}

impl Controller for RangeController {
    fn name(&self) -> &'static str {
        "service-cidr"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[RANGES, ADDRESSES]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        // An address that goes may set a range free, and so may a range that comes.
        let going = view.of_kind(RANGES).filter(|range| range.deleting).map(|range| range.key().clone());
        match resource {
            RANGES => going.chain([event.object.key.clone()]).collect(),
            _ => going.collect(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.of_kind(RANGES).map(|range| range.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(header) = view.header(RANGES, key) else { return Plan::default() };
        let range = header.object.value();
        let held = header.finalizers.iter().any(|own| own == FINALIZER);
        let mut finalizers = header.finalizers.clone();
        let mut writes = Vec::new();
        match header.deleting {
            false => {
                if !held {
                    finalizers.push(FINALIZER.to_owned());
                    writes.push(write::patch_header(header, json!({"metadata": {"finalizers": finalizers}})));
                }
                writes.extend(ready(&range, header, "True", "NetworkReady", "Kubernetes Service CIDR is ready", now));
            }
            true if held && depends(view, header, &networks(&range)) => {
                writes.extend(ready(&range, header, "False", "Terminating", IN_USE, now));
            }
            true if held => {
                finalizers.retain(|own| own != FINALIZER);
                writes.push(write::patch_header(header, json!({"metadata": {"finalizers": finalizers}})));
            }
            true => {}
        }
        Plan { writes, ..Plan::default() }
    }
}
