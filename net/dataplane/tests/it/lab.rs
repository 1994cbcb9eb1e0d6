//! A network namespace of its own for each test, with a runtime inside.

use podium_dataplane::{NetworkConfig, ProxyConfig};
use podium_rules::services::NodeInfo;
use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};

pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PATIENCE: Duration = Duration::from_secs(3);

/// A node in a namespace: `NODE` on a veth whose other end, `CLIENT`, is in a namespace outside.
pub struct Lab {
    pub id: String,
    dir: tempfile::TempDir,
    client: PathBuf,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.client, nix::mount::MntFlags::MNT_DETACH);
        for entry in std::fs::read_dir(self.dir.path().join("netns")).into_iter().flatten().flatten() {
            let _ = nix::mount::umount2(&entry.path(), nix::mount::MntFlags::MNT_DETACH);
        }
        let _ = nix::mount::umount2(&self.dir.path().join("netns"), nix::mount::MntFlags::MNT_DETACH);
    }
}

/// Runs a test in fresh namespaces, or says why not.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce(Lab) -> F + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root for network namespaces");
        return;
    }
    let body = move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let client = dir.path().join("client");
        let id = format!("{:08x}", 0x1000_0000 + std::process::id());
        let lab = Lab { id, dir, client };
        std::thread::scope(|scope| {
            scope.spawn(|| new_netns(&lab.client)).join().unwrap();
        });
        sh(&format!(
            "ip link set lo up
             mkdir -p /run/netns
             ip link add up0 type veth peer name eth0
             ip addr add {NODE}/24 dev up0
             ip link set up0 up
             exec 9<{client}; ip link set eth0 netns /proc/$$/fd/9",
            client = lab.client.display()
        ));
        lab.in_netns(&lab.client, || {
            sh(&format!("ip link set lo up; ip addr add {CLIENT}/24 dev eth0; ip link set eth0 up; ip route add default via {NODE}"));
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(lab));
    };
    if let Err(panic) = std::thread::Builder::new().name("node".into()).spawn(body).unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

fn new_netns(path: &Path) {
    std::fs::write(path, "").unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    let flags = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some("/proc/thread-self/ns/net"), path, None::<&str>, flags, None::<&str>).unwrap();
}

/// Runs a script in the namespace of the calling thread.
pub fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Lab {
    pub fn network(&self) -> NetworkConfig {
        NetworkConfig {
            id: self.id.clone(),
            pod_cidr: "10.244.1.0/24".parse().unwrap(),
            cluster_cidr: "10.244.0.0/16".parse().unwrap(),
            service_cidr: "10.96.0.0/16".parse().unwrap(),
            node_ip: NODE,
            state_dir: self.dir.path().join("state"),
            netns_dir: self.dir.path().join("netns"),
        }
    }

    pub fn proxy(&self) -> ProxyConfig {
        let NetworkConfig { id, cluster_cidr, service_cidr, node_ip, .. } = self.network();
        ProxyConfig { id, cluster_cidr, service_cidr, node_ip }
    }

    pub fn node(&self) -> NodeInfo {
        let network = self.network();
        NodeInfo {
            name: "node".into(),
            ips: vec![IpAddr::V4(NODE)],
            pod_cidr: Some(network.pod_cidr),
            cluster_cidr: network.cluster_cidr,
            dns_ip: Some("10.96.0.10".parse().unwrap()),
        }
    }

    /// The namespace of somebody on the node's outside network.
    pub fn client(&self) -> &Path {
        &self.client
    }

    /// Runs something on a thread in another namespace.
    pub fn in_netns<T: Send>(&self, netns: &Path, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let file = std::fs::File::open(netns).unwrap();
                    nix::sched::setns(&file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                    work()
                })
                .join()
                .unwrap()
        })
    }

    /// A TCP and UDP server that answers `<name> <address it sees>`, in a namespace.
    pub fn serve(&self, netns: &Path, port: u16, name: &str) {
        let (tcp, udp) = self.in_netns(netns, || {
            let at = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            (std::net::TcpListener::bind(at).unwrap(), std::net::UdpSocket::bind(at).unwrap())
        });
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        let (tcp, udp) = (TcpListener::from_std(tcp).unwrap(), UdpSocket::from_std(udp).unwrap());
        let (for_tcp, for_udp) = (name.to_owned(), name.to_owned());
        tokio::spawn(async move {
            while let Ok((mut stream, from)) = tcp.accept().await {
                let _ = stream.write_all(format!("{for_tcp} {}", from.ip()).as_bytes()).await;
            }
        });
        tokio::spawn(async move {
            let mut buffer = [0; 64];
            while let Ok((_, from)) = udp.recv_from(&mut buffer).await {
                let _ = udp.send_to(format!("{for_udp} {}", from.ip()).as_bytes(), from).await;
            }
        });
    }

    /// Connects from a namespace (`None`: the node itself) and returns what the server says.
    pub async fn ask(&self, netns: Option<&Path>, to: &str) -> io::Result<String> {
        let to: SocketAddr = to.parse().unwrap();
        let open = || nix_tcp();
        let socket = match netns {
            Some(netns) => self.in_netns(netns, open),
            None => open(),
        };
        let attempt = async {
            let mut stream: TcpStream = socket.connect(to).await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            Ok(text)
        };
        tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// A UDP socket in a namespace.
    pub fn udp(&self, netns: &Path) -> UdpSocket {
        let socket = self.in_netns(netns, || std::net::UdpSocket::bind("0.0.0.0:0").unwrap());
        socket.set_nonblocking(true).unwrap();
        UdpSocket::from_std(socket).unwrap()
    }
}

fn nix_tcp() -> tokio::net::TcpSocket {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    tokio::net::TcpSocket::from_std_stream(std::net::TcpStream::from(fd))
}

/// Sends a datagram and waits for the answer.
pub async fn exchange(socket: &UdpSocket, to: &str) -> io::Result<String> {
    socket.send_to(b"?", to).await?;
    let mut buffer = [0; 256];
    let answer = tokio::time::timeout(PATIENCE, socket.recv_from(&mut buffer)).await;
    let (length, _) = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}
