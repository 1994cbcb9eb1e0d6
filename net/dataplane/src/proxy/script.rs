//! The service proxy's table in nftables' language.
//!
//! A packet is looked up, not compared with rule after rule: `front` says how many
//! endpoints there are, a chain shared by all Services with as many draws a number, and
//! `slot` says who that is. With session affinity the client's endpoint is remembered in
//! `clients`, and `peer` frees it when that endpoint is gone.

use super::{
    ProxyConfig,
    elements::{self, Chooser, HAIRPIN, PREFIXES, REJECT},
};
use crate::id::Id;
use podium_rules::services::RuleSet;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Clients that are remembered at once; beyond that, new ones have no affinity.
const MAX_CLIENTS: usize = 1 << 18;
/// Map of clients and their endpoints.
pub(super) const CLIENTS: &str = "clients";
/// Who a client is to its Service; also right for a node port, where the address is the node's.
const CLIENT: &str = "ip saddr . ip daddr . meta l4proto . th dport";

/// Key of a frontend's maps, as expression and as types.
fn front(family: usize) -> (&'static str, &'static str) {
    if family < 2 {
        ("ip daddr . meta l4proto . th dport", "ipv4_addr . inet_proto . inet_service")
    } else {
        ("meta l4proto . th dport", "inet_proto . inet_service")
    }
}

/// The whole table; replaces an older one in one transaction. `clients` are elements of [`CLIENTS`] to keep.
pub(super) fn table(
    id: &Id,
    config: &ProxyConfig,
    rules: &RuleSet,
    choosers: &BTreeSet<Chooser>,
    clients: &str,
) -> String {
    let table = id.service_table();
    let mut text = format!("add table ip {table}\ndelete table ip {table}\ntable ip {table} {{\n");
    maps(&mut text, rules, clients);
    let _ = writeln!(text, "  chain {REJECT} {{ meta l4proto tcp reject with tcp reset; reject; }}");
    for chooser in choosers {
        chain(&mut text, id, chooser);
    }
    hooks(&mut text, id, config);
    text.push_str("}\n");
    text
}

fn maps(text: &mut String, rules: &RuleSet, clients: &str) {
    let mut elements: BTreeMap<String, String> = BTreeMap::new();
    for (rule, value) in &rules.rules {
        let list = elements.entry(elements::key(rule).0).or_default();
        let _ = write!(list, "{}, ", elements::text(rule, value));
    }
    elements.insert(CLIENTS.to_owned(), clients.to_owned());
    let mut map = |name: String, sort: &str, types: &str| {
        let list = elements.get(&name).map(|list| list.trim_end_matches(", ")).filter(|list| !list.is_empty());
        let list = list.map(|list| format!(" elements = {{ {list} }}")).unwrap_or_default();
        let _ = writeln!(text, "  {sort} {name} {{ {types};{list} }}");
    };
    for (family, prefix) in PREFIXES.iter().enumerate() {
        let (expression, types) = front(family);
        let slot = "numgen random mod 2";
        map(format!("{prefix}_front"), "map", &format!("type {types} : verdict"));
        map(format!("{prefix}_refuse"), "map", &format!("type {types} : verdict"));
        map(format!("{prefix}_slot"), "map", &format!("typeof {expression} . {slot} : ip daddr . th dport"));
        map(format!("{prefix}_pick"), "map", &format!("typeof {expression} . {slot} : ct mark"));
        map(format!("{prefix}_peer"), "map", &format!("typeof {expression} . ct mark : ip daddr . th dport"));
    }
    let timeout = format!("typeof {CLIENT} : ct mark; flags dynamic,timeout; timeout 1d; size {MAX_CLIENTS}");
    map(CLIENTS.to_owned(), "map", &timeout);
    map(HAIRPIN.to_owned(), "set", "type ipv4_addr . ipv4_addr");
}

fn chain(text: &mut String, id: &Id, chooser: &Chooser) {
    let (prefix, (front, _)) = (PREFIXES[chooser.family], front(chooser.family));
    let draw = format!("{front} . numgen random mod {}", chooser.slots);
    let _ = writeln!(text, "  chain {} {{", chooser.chain());
    // Traffic under a Local policy keeps its source: the odd families are not marked.
    if chooser.family.is_multiple_of(2) {
        let _ = writeln!(text, "    meta mark set {:#x}", id.number());
    }
    match chooser.affinity {
        None => {
            let _ = writeln!(text, "    dnat ip to {draw} map @{prefix}_slot");
        }
        Some(seconds) => {
            // `update` keeps what a known client has and renews its time. The second round is
            // for a client whose endpoint is gone.
            let round = format!(
                "    ct mark set {draw} map @{prefix}_pick
    update @{CLIENTS} {{ {CLIENT} timeout {seconds}s : ct mark }}
    ct mark set {CLIENT} map @{CLIENTS}
    dnat ip to {front} . ct mark map @{prefix}_peer\n"
            );
            let _ = write!(text, "{round}    delete @{CLIENTS} {{ {CLIENT} : ct mark }}\n{round}");
        }
    }
    text.push_str("  }\n");
}

fn hooks(text: &mut String, id: &Id, config: &ProxyConfig) {
    let ProxyConfig { cluster_cidr, service_cidr, .. } = config;
    let (vip, node) = (front(0).0, front(2).0);
    let transports = "meta l4proto { tcp, udp, sctp }";
    let local = format!("fib daddr type local ip daddr != {service_cidr}");
    let _ = write!(
        text,
        "  chain services {{
    {vip} vmap @vip_front
    {local} {node} vmap @node_front
  }}
  chain outside {{
    {vip} vmap @xvip_refuse
    {vip} vmap @xvip_front
    {local} {node} vmap @xnode_refuse
    {local} {node} vmap @xnode_front
  }}
  chain refusals {{
    {vip} vmap @vip_refuse
    {local} {node} vmap @node_refuse
  }}
  chain nat_pre {{ type nat hook prerouting priority dstnat;
    ip saddr != {cluster_cidr} fib saddr type != local {transports} jump outside
    {transports} jump services
  }}
  chain nat_out {{ type nat hook output priority -100; {transports} jump services; }}
  chain nat_post {{ type nat hook postrouting priority srcnat;
    oifname \"lo\" return
    ct status & dnat == dnat ip saddr . ip daddr @{HAIRPIN} masquerade
    meta mark != {mark:#x} return
    ip saddr {cluster_cidr} return
    masquerade fully-random
  }}
  chain refuse_in {{ type filter hook input priority -110; ct state new {transports} jump refusals; }}
  chain refuse_forward {{ type filter hook forward priority -110;
    ct state new {transports} jump refusals
    ip daddr {service_cidr} goto {REJECT}
  }}
  chain refuse_out {{ type filter hook output priority filter;
    ct state new {transports} jump refusals
    ip daddr {service_cidr} fib daddr type != local goto {REJECT}
  }}
  chain raw_pre {{ type filter hook prerouting priority raw;
    iifname != \"lo\" ip daddr 127.0.0.0/8 drop
    iifname != \"lo\" ip saddr 127.0.0.0/8 drop
  }}
",
        mark = id.number()
    );
}
