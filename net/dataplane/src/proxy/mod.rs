//! Services in nftables.

mod elements;
mod flows;
mod script;

use crate::{
    Error, Result,
    id::Id,
    netlink::{
        Batch, Failure, Family, Socket,
        netfilter::Transaction,
        route::{self, Way},
    },
    network::lock,
    nft, sysctl,
};
use elements::{Chooser, PREFIXES};
use ipnetwork::Ipv4Network;
use podium_rules::services::{Change, RuleSet, diff};
use std::{collections::BTreeSet, net::Ipv4Addr, sync::Mutex};

/// Up to this many endpoints a Service's chain is there from the start; more come in powers of two,
/// with a load of everything.
const READY_SLOTS: u32 = 32;
/// More changes than this are loaded as a whole by `nft`, which is faster then.
const MAX_INCREMENT: usize = 20_000;
/// `lo` has the first index of every namespace.
const LOOPBACK: u32 = 1;

/// What the service proxy depends on.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Eight hexadecimal digits, not all zero: the cluster that everything made here belongs to.
    pub id: String,
    /// Addresses of all pods; traffic from elsewhere is masqueraded.
    pub cluster_cidr: Ipv4Network,
    /// Addresses of Services; those without a rule are rejected.
    pub service_cidr: Ipv4Network,
    /// The node's own address: source of the host's own traffic to Services.
    pub node_ip: Ipv4Addr,
}

/// What an application of changes did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApplyStats {
    /// Elements that were added, changed or removed.
    pub changes: usize,
    /// UDP flows forgotten because their endpoint is gone.
    pub flows: usize,
    /// Whether everything was loaded anew.
    pub reloaded: bool,
}

#[derive(Default)]
struct Loaded {
    /// What the kernel should have.
    rules: RuleSet,
    /// Whether it has that. Not before the first load, nor after a failure: then all is loaded anew.
    current: bool,
    /// Chains that the kernel has.
    choosers: BTreeSet<Chooser>,
}

/// The service rules of a node.
pub struct ServiceProxy {
    id: Id,
    table: String,
    config: ProxyConfig,
    loaded: tokio::sync::Mutex<Loaded>,
    socket: Mutex<Socket>,
}

impl ServiceProxy {
    /// Prepares the node; rules of an earlier run stay until the first [`ServiceProxy::apply`].
    pub async fn open(config: ProxyConfig) -> Result<Self> {
        let id = Id::new(&config.id)?;
        sysctl::set("net/ipv4/ip_forward", "1")?;
        sysctl::set("net/ipv4/conf/all/route_localnet", "1")?;
        // Without any route the host's own packets would end before they are translated.
        let mut routes = Socket::open(Family::Route).map_err(Error::io("netlink socket"))?;
        // Out of the node's interface: where nothing is translated it is refused before it gets there,
        // but from `lo` the kernel sends no refusals.
        let failed = |f: Failure| Error::Io { what: "route of the service CIDR".to_owned(), source: f.error };
        let device = route::link_with_address(&mut routes, config.node_ip).map_err(failed)?;
        let source = device.map(|_| config.node_ip);
        let mut batch = Batch::default();
        route::add_route(&mut batch, config.service_cidr, &Way::LinkFrom(device.unwrap_or(LOOPBACK), source));
        routes.request(batch).map_err(failed)?;
        let socket = Socket::open(Family::Netfilter).map_err(Error::io("netlink socket"))?;
        let loaded = tokio::sync::Mutex::default();
        Ok(Self { table: id.service_table(), id, config, loaded, socket: Mutex::new(socket) })
    }

    /// Makes the rules be `new`; the first call loads them as a whole.
    pub async fn apply(&self, new: RuleSet) -> Result<ApplyStats> {
        let mut loaded = self.loaded.lock().await;
        let changes = diff(&loaded.rules, &new);
        self.change(&mut loaded, &changes).await
    }

    /// Makes single changes, as `podium_rules::services::Incremental` gives them, after the first
    /// `apply`. Costs what the changes cost, however many Services there are.
    pub async fn update(&self, changes: &[Change]) -> Result<ApplyStats> {
        let mut loaded = self.loaded.lock().await;
        self.change(&mut loaded, changes).await
    }

    /// Removes the rules. Kernel settings stay: others may need them.
    pub async fn close(&self) -> Result<()> {
        let mut loaded = self.loaded.lock().await;
        *loaded = Loaded::default();
        nft::delete_table(&self.table).await?;
        let mut routes = Socket::open(Family::Route).map_err(Error::io("netlink socket"))?;
        let mut batch = Batch::default();
        route::delete_ours(&mut batch, self.config.service_cidr);
        match routes.request(batch) {
            Err(failure) if !failure.is(libc::ESRCH) => {
                Err(Error::Io { what: "route of the service CIDR".to_owned(), source: failure.error })
            }
            _ => Ok(()),
        }
    }

    async fn change(&self, loaded: &mut Loaded, changes: &[Change]) -> Result<ApplyStats> {
        let changes = &loaded.rules.effective(changes)[..];
        if changes.is_empty() && loaded.current {
            return Ok(ApplyStats::default());
        }
        loaded.rules.apply(changes);
        let mut reloaded = false;
        if !std::mem::take(&mut loaded.current) || changes.len() > MAX_INCREMENT || !self.increment(loaded, changes) {
            self.reload(loaded).await?;
            reloaded = true;
        }
        loaded.current = true;
        Ok(ApplyStats { changes: changes.len(), flows: self.forget_flows(changes, &loaded.rules), reloaded })
    }

    /// Changes single elements; false when that is not possible: a chain is missing, or the kernel
    /// does not have what we think it has.
    fn increment(&self, loaded: &Loaded, changes: &[Change]) -> bool {
        // nft 1.0.6 cannot add a chain that refers to the maps of an earlier run ("conflicting protocols").
        let chooser = |change: &Change| change.new.as_ref().and_then(|value| elements::chooser(&change.rule, value));
        if changes.iter().filter_map(chooser).any(|chooser| !loaded.choosers.contains(&chooser)) {
            return false;
        }
        let mut transaction = Transaction::new(&self.table);
        for change in changes {
            let (map, key) = elements::key(&change.rule);
            if change.old.is_some() {
                transaction.remove(&map, &key);
            }
            if let Some(value) = &change.new {
                transaction.add(&map, &key, &elements::data(&change.rule, value));
            }
        }
        match transaction.commit(&mut lock(&self.socket)) {
            Ok(()) => true,
            Err(failure) => {
                tracing::warn!(%failure, "the kernel's service rules are not as expected; loading them anew");
                false
            }
        }
    }

    async fn reload(&self, loaded: &mut Loaded) -> Result<()> {
        let needed = loaded.rules.rules.iter().filter_map(|(rule, value)| elements::chooser(rule, value));
        let usual = (0..PREFIXES.len()).map(|family| Chooser { family, slots: READY_SLOTS, affinity: None });
        loaded.choosers = needed.chain(usual).flat_map(with_room).collect();
        let clients = self.clients().await;
        let script = |clients: &str| script::table(&self.id, &self.config, &loaded.rules, &loaded.choosers, clients);
        match nft::load(&script(&clients)).await {
            Err(error) if !clients.is_empty() => {
                tracing::warn!(%error, "clients lose their session affinity");
                nft::load(&script("")).await
            }
            outcome => outcome,
        }
    }

    /// The clients that have session affinity now, as elements; none when there is no table yet.
    async fn clients(&self) -> String {
        let listed = nft::run(&["-n", "list", "map", "ip", &self.table, script::CLIENTS], "").await;
        let listed = listed.unwrap_or_default();
        let elements = listed.split_once("elements = {").and_then(|(_, rest)| rest.split_once('}'));
        elements.map(|(list, _)| list.trim().to_owned()).unwrap_or_default()
    }

    fn forget_flows(&self, changes: &[Change], rules: &RuleSet) -> usize {
        flows::forget(&mut lock(&self.socket), &flows::affected(changes, rules)).unwrap_or_else(|failure| {
            // They time out by themselves, only later.
            tracing::warn!(%failure, "cannot forget UDP flows");
            0
        })
    }
}

/// A chooser and its siblings up to the next power of two, so that growing Services seldom need a new chain.
fn with_room(chooser: Chooser) -> Vec<Chooser> {
    (1..=chooser.slots.next_power_of_two()).map(|slots| Chooser { slots, ..chooser }).collect()
}
