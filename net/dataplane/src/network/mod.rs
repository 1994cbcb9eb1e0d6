//! Pods' interfaces and addresses.

mod netns;
mod ports;
mod store;

use crate::{
    Error, Result,
    id::{Id, fnv},
    netlink::{
        Batch, Family, Socket,
        netfilter::Transaction,
        route::{self, Way},
    },
    nft, sysctl,
};
use ipnetwork::Ipv4Network;
use podium_rules::{ipam::Ipam, services::Protocol};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(crate) use netns::remove_all as remove_netns_dir;
pub(crate) use store::remove_all as remove_store;

/// Of every veth; path MTU discovery finds narrower links behind the node.
const MTU: u32 = 1500;
/// Pods that are attached and detached at the same time; more wait.
const LANES: usize = 16;

/// What the network of a node is made of.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Eight hexadecimal digits, not all zero: the cluster that everything made here belongs to.
    pub id: String,
    /// The node's part of the cluster CIDR.
    pub pod_cidr: Ipv4Network,
    /// Addresses of all pods.
    pub cluster_cidr: Ipv4Network,
    /// Addresses of Services.
    pub service_cidr: Ipv4Network,
    /// The node's own address.
    pub node_ip: Ipv4Addr,
    /// Where attachments are remembered, a file per pod; a directory for this alone.
    pub state_dir: PathBuf,
    /// Where network namespaces are kept; best `/run/podium/<id>/netns`.
    pub netns_dir: PathBuf,
}

/// A port of the node that leads to a pod (`hostPort`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    /// Only on this address of the node; all of them when `None` or 0.0.0.0.
    pub host_ip: Option<Ipv4Addr>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Port of the node.
    pub host_port: u16,
    /// Port of the pod.
    pub container_port: u16,
}

/// A pod's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Whose it is.
    pub pod_uid: String,
    /// For people.
    pub pod_name: String,
    /// Path of the network namespace.
    pub netns: PathBuf,
    /// The pod's address.
    pub ip: IpAddr,
    /// Name of the host's end of the veth; the pod's end is `eth0`.
    pub interface: String,
    /// Ports of the node that lead here.
    pub host_ports: Vec<HostPort>,
}

struct State {
    ipam: Ipam,
    attachments: BTreeMap<String, Attachment>,
}

/// The pods' network of a node.
pub struct Network {
    id: Id,
    table: String,
    config: NetworkConfig,
    state: Mutex<State>,
    rules: Mutex<Socket>,
    routes: Mutex<Socket>,
    lanes: [tokio::sync::Mutex<()>; LANES],
}

impl Network {
    /// Prepares the node (forwarding, masquerading, host ports) and takes over the attachments on
    /// disk whose namespace is still there. Whatever else bears the cluster's id is removed.
    pub async fn open(config: NetworkConfig) -> Result<Self> {
        let id = Id::new(&config.id)?;
        sysctl::set("net/ipv4/ip_forward", "1")?;
        sysctl::set("net/ipv4/conf/all/route_localnet", "1")?;
        netns::prepare(&config.netns_dir)?;
        let mut routes = Socket::open(Family::Route).map_err(Error::io("netlink socket"))?;
        let mut state = State { ipam: Ipam::new(config.pod_cidr), attachments: BTreeMap::new() };
        for attachment in store::load(&config.state_dir)? {
            let known = matches!(attachment.ip, IpAddr::V4(ip) if netns::is_netns(&attachment.netns)
                && state.ipam.restore(&attachment.pod_uid, ip));
            if known {
                state.attachments.insert(attachment.pod_uid.clone(), attachment);
            } else {
                tracing::info!(pod = attachment.pod_name, uid = attachment.pod_uid, "removing a stale attachment");
                netns::remove(&attachment.netns)?;
                store::forget(&config.state_dir, &attachment.pod_uid)?;
            }
        }
        remove_strangers(&id, &config, &state, &mut routes)?;
        let mut batch = Batch::default();
        // Addresses without a pod are refused here rather than sent to the world.
        route::add_route(&mut batch, config.pod_cidr, &Way::Unreachable);
        routes.request(batch).map_err(|f| Error::Io { what: "route of the podCIDR".to_owned(), source: f.error })?;
        let attachments: Vec<_> = state.attachments.values().cloned().collect();
        nft::load(&ports::table(&id, &config, &attachments)).await?;
        let rules = Socket::open(Family::Netfilter).map_err(Error::io("netlink socket"))?;
        Ok(Self {
            table: id.network_table(),
            id,
            config,
            state: Mutex::new(state),
            rules: Mutex::new(rules),
            routes: Mutex::new(routes),
            lanes: Default::default(),
        })
    }

    /// Makes the pod's network, or returns the one it has.
    pub async fn attach(&self, pod_uid: &str, pod_name: &str, host_ports: &[HostPort]) -> Result<Attachment> {
        let _lane = self.lane(pod_uid).await;
        let attachment = {
            let mut state = lock(&self.state);
            if let Some(known) = state.attachments.get(pod_uid) {
                return Ok(known.clone());
            }
            let taken = state.attachments.values().flat_map(|other| &other.host_ports);
            if let Some(port) = taken.into_iter().find(|taken| host_ports.iter().any(|port| port.collides(taken))) {
                return Err(Error::HostPort(port.to_string()));
            }
            let ip = state.ipam.allocate(pod_uid).ok_or(Error::Exhausted(self.config.pod_cidr))?;
            let attachment = Attachment {
                pod_uid: pod_uid.to_owned(),
                pod_name: pod_name.to_owned(),
                netns: self.config.netns_dir.join(pod_uid),
                ip: IpAddr::V4(ip),
                interface: self.id.interface(pod_uid),
                host_ports: host_ports.to_vec(),
            };
            // Taken before it is made, so that nobody else gets its ports meanwhile.
            state.attachments.insert(pod_uid.to_owned(), attachment.clone());
            attachment
        };
        let outcome = self.make(&attachment).await;
        if outcome.is_err() {
            let mut state = lock(&self.state);
            state.attachments.remove(pod_uid);
            state.ipam.release(pod_uid);
        }
        outcome.map(|()| attachment)
    }

    /// Ends the pod's network; fine when there is none.
    pub async fn detach(&self, pod_uid: &str) -> Result<()> {
        let _lane = self.lane(pod_uid).await;
        let Some(attachment) = lock(&self.state).attachments.get(pod_uid).cloned() else { return Ok(()) };
        let IpAddr::V4(ip) = attachment.ip else { return Ok(()) };
        self.change_ports(ip, &attachment.host_ports, false)?;
        self.forget_route(ip, &attachment.interface);
        let (netns, dir, uid) = (attachment.netns, self.config.state_dir.clone(), pod_uid.to_owned());
        blocking(move || {
            netns::remove(&netns)?;
            store::forget(&dir, &uid)
        })
        .await?;
        let mut state = lock(&self.state);
        state.attachments.remove(pod_uid);
        state.ipam.release(pod_uid);
        Ok(())
    }

    /// Every attachment, by pod uid.
    pub fn attachments(&self) -> Vec<Attachment> {
        lock(&self.state).attachments.values().cloned().collect()
    }

    /// Ends every pod's network and removes what `open` made. Forwarding stays on: others may need it.
    pub async fn close_all(&self) -> Result<()> {
        for attachment in self.attachments() {
            self.detach(&attachment.pod_uid).await?;
        }
        let mut batch = Batch::default();
        route::delete_ours(&mut batch, self.config.pod_cidr);
        if let Err(failure) = lock(&self.routes).request(batch)
            && !failure.is(libc::ESRCH)
        {
            return Err(Error::Io { what: "route of the podCIDR".to_owned(), source: failure.error });
        }
        // Somebody may still hold a namespace open; its veth goes nevertheless.
        remove_links(&self.id, &mut lock(&self.routes), |_| true)?;
        nft::delete_table(&self.table).await?;
        netns::remove_all(&self.config.netns_dir)
    }

    async fn lane(&self, pod_uid: &str) -> tokio::sync::MutexGuard<'_, ()> {
        self.lanes[fnv(pod_uid) as usize % LANES].lock().await
    }

    async fn make(&self, attachment: &Attachment) -> Result<()> {
        let IpAddr::V4(ip) = attachment.ip else { return Err(Error::Invalid("IPv4 only".to_owned())) };
        let plan = netns::Plan {
            netns: attachment.netns.clone(),
            interface: attachment.interface.clone(),
            ip,
            group: self.id.number(),
            mtu: MTU,
        };
        let (dir, record) = (self.config.state_dir.clone(), attachment.clone());
        blocking(move || {
            // Remembered first: what a crash leaves half made is found again.
            store::save(&dir, &record)?;
            netns::create(plan).inspect_err(|_| {
                let _already_failed = store::forget(&dir, &record.pod_uid);
            })
        })
        .await?;
        let outcome = self.change_ports(ip, &attachment.host_ports, true);
        if outcome.is_err() {
            netns::remove(&attachment.netns)?;
            store::forget(&self.config.state_dir, &attachment.pod_uid)?;
        }
        outcome
    }

    fn change_ports(&self, ip: Ipv4Addr, ports: &[HostPort], add: bool) -> Result<()> {
        let mut transaction = Transaction::new(&self.table);
        ports::change(&mut transaction, ip, ports, add);
        match transaction.commit(&mut lock(&self.rules)) {
            // Somebody has flushed the rules: nothing to remove.
            Err(failure) if !add && failure.is(libc::ENOENT) => Ok(()),
            outcome => outcome.map_err(|failure| Error::Io { what: "host ports".to_owned(), source: failure.error }),
        }
    }

    /// The route goes at once, the veth when the kernel clears the namespace away.
    fn forget_route(&self, ip: Ipv4Addr, interface: &str) {
        let mut socket = lock(&self.routes);
        let gone = route::link_index(&mut socket, interface).and_then(|index| {
            let mut batch = Batch::default();
            route::delete_route(&mut batch, netns::single(ip), &Way::Link(index));
            socket.request(batch)
        });
        if let Err(failure) = gone {
            tracing::debug!(%ip, interface, %failure, "the pod's route was gone already");
        }
    }
}

/// Namespaces and veths with the cluster's id that no attachment accounts for.
fn remove_strangers(id: &Id, config: &NetworkConfig, state: &State, routes: &mut Socket) -> Result<()> {
    for entry in fs::read_dir(&config.netns_dir).map_err(Error::file(&config.netns_dir))? {
        let path = entry.map_err(Error::file(&config.netns_dir))?.path();
        if !state.attachments.values().any(|attachment| attachment.netns == path) {
            netns::remove(&path)?;
        }
    }
    remove_links(id, routes, |name| !state.attachments.values().any(|attachment| attachment.interface == name))
}

/// Removes the cluster's veths that `doomed` names.
pub(crate) fn remove_links(id: &Id, routes: &mut Socket, doomed: impl Fn(&str) -> bool) -> Result<()> {
    let links = route::links_in_group(routes, id.number()).map_err(|f| f.error).map_err(Error::io("list links"))?;
    for (index, name) in links {
        if doomed(&name) {
            let mut batch = Batch::default();
            route::delete_link(&mut batch, index);
            match routes.request(batch) {
                Err(failure) if !failure.is(libc::ENODEV) => {
                    return Err(Error::Io { what: format!("delete {name}"), source: failure.error });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A lock whose holder panicked still guards consistent data: every change is a single insert or removal.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::Io { what: "worker".to_owned(), source: io::Error::other(e) })?
}
