//! A pod's network namespace and the veth that leads into it.
//!
//! No bridge: the pod has its address alone (/32) and sends everything to a router that
//! exists only as a neighbour entry; the host has a route to the pod. So all traffic is
//! routed, and seen by nftables. A namespace belongs to a thread, so a thread is made for
//! it and ends with it; the file it is mounted on keeps the namespace.

use crate::{
    Error, Result,
    address::ROUTER,
    netlink::{
        Batch, Failure, Family, Socket,
        route::{self, Mac, Veth, Way},
    },
};
use ipnetwork::Ipv4Network;
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
};
use std::{
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    thread,
};

/// The router's hardware address, the same on every veth: locally administered, and easy to see.
const ROUTER_MAC: Mac = [0xee; 6];
/// The interface inside the pod.
pub(super) const POD_INTERFACE: &str = "eth0";
/// `lo` has the first index of every namespace.
const LOOPBACK: u32 = 1;
const THIS_NETNS: &str = "/proc/thread-self/ns/net";

/// What to make.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where to mount the namespace.
    pub netns: PathBuf,
    /// Host's end of the veth.
    pub interface: String,
    /// The pod's address.
    pub ip: Ipv4Addr,
    /// Group of the host's end.
    pub group: u32,
    /// MTU of both ends.
    pub mtu: u32,
}

/// Makes namespace, veth, addresses and routes; on failure nothing is left. Blocks for a millisecond or two.
pub(super) fn create(plan: Plan) -> Result<()> {
    let netns = plan.netns.clone();
    let thread = thread::Builder::new().name("netns".to_owned()).spawn(move || build(&plan));
    let outcome = thread.map_err(Error::io("cannot start a thread"))?.join();
    let outcome = outcome.unwrap_or_else(|_| Err(Error::Invalid("the thread of a network namespace died".to_owned())));
    if outcome.is_err() {
        remove(&netns)?;
    }
    outcome
}

fn build(plan: &Plan) -> Result<()> {
    let mut host = Socket::open(Family::Route).map_err(Error::io("netlink socket"))?;
    // One that belongs to the pod's own user namespace was made before.
    let there = is_netns(&plan.netns);
    if there {
        let namespace = File::open(&plan.netns).map_err(Error::file(&plan.netns))?;
        setns(namespace, CloneFlags::CLONE_NEWNET).map_err(io::Error::from).map_err(Error::file(&plan.netns))?;
    } else {
        unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from).map_err(Error::io("unshare network namespace"))?;
    }
    let mut pod = Socket::open(Family::Route).map_err(Error::io("netlink socket"))?;
    let namespace = File::open(THIS_NETNS).map_err(Error::file(THIS_NETNS))?;
    if !there {
        File::create(&plan.netns).map_err(Error::file(&plan.netns))?;
        mount(Some(THIS_NETNS), &plan.netns, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .map_err(io::Error::from)
            .map_err(Error::file(&plan.netns))?;
    }

    let [a, b, c, d] = plan.ip.octets();
    let mac = [0x0a, 0x58, a, b, c, d];
    let veth = Veth {
        name: &plan.interface,
        mac: ROUTER_MAC,
        peer: POD_INTERFACE,
        peer_mac: mac,
        peer_netns: namespace.as_raw_fd(),
        group: plan.group,
        mtu: plan.mtu,
    };
    add_veth(&mut host, &veth).map_err(failed("create veth"))?;
    let outside = route::link_index(&mut host, &plan.interface).map_err(failed("find veth"))?;
    let inside = route::link_index(&mut pod, POD_INTERFACE).map_err(failed("find eth0"))?;

    let mut batch = Batch::default();
    route::set_up(&mut batch, LOOPBACK);
    route::set_up(&mut batch, inside);
    route::add_address(&mut batch, inside, IpAddr::V4(plan.ip));
    route::add_neighbour(&mut batch, inside, ROUTER, ROUTER_MAC);
    route::add_route(&mut batch, single(ROUTER), &Way::Link(inside));
    route::add_route(&mut batch, everywhere(), &Way::Via(ROUTER, inside));
    pod.request(batch).map_err(failed("configure the pod's network"))?;

    let mut batch = Batch::default();
    route::add_neighbour(&mut batch, outside, plan.ip, mac);
    route::add_route(&mut batch, single(plan.ip), &Way::Link(outside));
    host.request(batch).map_err(failed("route to the pod"))
}

/// The name may still belong to the veth of a namespace that the kernel is about to clear away.
fn add_veth(host: &mut Socket, veth: &Veth<'_>) -> std::result::Result<(), Failure> {
    let mut attempt = || {
        let mut batch = Batch::default();
        route::add_veth(&mut batch, veth);
        host.request(batch)
    };
    match attempt() {
        Err(failure) if failure.is(libc::EEXIST) => {}
        other => return other,
    }
    if let Ok(index) = route::link_index(host, veth.name) {
        let mut batch = Batch::default();
        route::delete_link(&mut batch, index);
        // Lost the race to the kernel: then it is gone as well.
        let _gone = host.request(batch);
    }
    let mut batch = Batch::default();
    route::add_veth(&mut batch, veth);
    host.request(batch)
}

fn failed(what: &'static str) -> impl FnOnce(Failure) -> Error {
    move |failure| Error::Io { what: format!("{what}, {failure}"), source: failure.error }
}

/// A network of one address.
pub(crate) fn single(ip: Ipv4Addr) -> Ipv4Network {
    Ipv4Network::from(ip)
}

fn everywhere() -> Ipv4Network {
    // A prefix of 0 is always good.
    Ipv4Network::new(Ipv4Addr::UNSPECIFIED, 0).unwrap_or_else(|_| single(Ipv4Addr::UNSPECIFIED))
}

/// Lets go of a namespace; the kernel clears it away, with the veth, once nobody is in it. Fine when there is none.
pub(crate) fn remove(netns: &Path) -> Result<()> {
    // EINVAL: a plain file, since a reboot or a failure before the mount.
    match umount2(netns, MntFlags::MNT_DETACH) {
        Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
        Err(error) => return Err(Error::File { path: netns.to_owned(), source: error.into() }),
    }
    match fs::remove_file(netns) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::File { path: netns.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Whether a namespace is mounted there: a file left by a reboot is none.
pub(super) fn is_netns(path: &Path) -> bool {
    nix::sys::statfs::statfs(path).is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
}

/// Makes the directory of namespaces, as a shared mount: when a namespace is let go here it is
/// let go in every mount namespace that was copied meanwhile, or it would live on there.
pub(super) fn prepare(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::file(dir))?;
    let here = || mount(None::<&str>, dir, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    if here().is_ok() {
        return Ok(());
    }
    mount(Some(dir), dir, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .and_then(|()| here())
        .map_err(io::Error::from)
        .map_err(Error::file(dir))
}

/// Undoes [`prepare`], with every namespace in the directory.
pub(crate) fn remove_all(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::file(dir))?,
    };
    for entry in entries {
        remove(&entry.map_err(Error::file(dir))?.path())?;
    }
    match umount2(dir, MntFlags::MNT_DETACH) {
        Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
        Err(error) => return Err(Error::File { path: dir.to_owned(), source: error.into() }),
    }
    fs::remove_dir(dir).map_err(Error::file(dir))
}
