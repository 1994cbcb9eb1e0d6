//! The cluster's name server.

mod listen;
mod reply;
mod upstream;

use crate::{
    Error, Result,
    address::{self, Scope},
    id::Id,
};
use arc_swap::ArcSwap;
use podium_rules::dns::Zone;
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::Mutex,
    task::JoinSet,
};

/// Well-known port of the domain name system (RFC 1035).
const PORT: u16 = 53;
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What the name server needs.
#[derive(Clone)]
pub struct DnsConfig {
    /// Eight hexadecimal digits, not all zero: the cluster that everything made here belongs to.
    pub id: String,
    /// Addresses to answer on, each added to `lo` unless the node has it; port 53 of UDP and TCP.
    pub addresses: Vec<IpAddr>,
    /// The names of the cluster; readers see every `store` at once.
    pub zone: Arc<ArcSwap<Zone>>,
    /// Who answers for other names; see [`DnsConfig::system_upstream`]. None: such questions are refused.
    pub upstream: Vec<SocketAddr>,
}

impl DnsConfig {
    /// The name servers of `/etc/resolv.conf`, without our own addresses.
    pub fn system_upstream(own: &[IpAddr]) -> Vec<SocketAddr> {
        parse_resolv_conf(&fs::read_to_string(RESOLV_CONF).unwrap_or_default(), own)
    }
}

fn parse_resolv_conf(text: &str, own: &[IpAddr]) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()?.parse::<IpAddr>().ok()
    });
    servers.filter(|ip| !own.contains(ip)).map(|ip| SocketAddr::new(ip, PORT)).collect()
}

/// A running name server; ends when dropped, though only [`DnsServer::close`] gives the addresses back.
pub struct DnsServer {
    id: Id,
    addresses: Vec<IpAddr>,
    tasks: Mutex<JoinSet<()>>,
}

impl DnsServer {
    /// Binds the sockets and answers.
    pub async fn open(config: DnsConfig) -> Result<Self> {
        let id = Id::new(&config.id)?;
        address::add(&id, &config.addresses, Scope::Hidden)?;
        let responder = Arc::new(reply::Responder::new(config.zone, upstream::Upstream::new(&config.upstream)?));
        let mut tasks = JoinSet::new();
        for ip in &config.addresses {
            let at = SocketAddr::new(*ip, PORT);
            let udp = UdpSocket::bind(at).await.map_err(Error::io(format!("bind UDP {at}")))?;
            let tcp = TcpListener::bind(at).await.map_err(Error::io(format!("bind TCP {at}")))?;
            tasks.spawn(listen::udp(udp, responder.clone()));
            tasks.spawn(listen::tcp(tcp, responder.clone()));
        }
        Ok(Self { id, addresses: config.addresses, tasks: Mutex::new(tasks) })
    }

    /// Stops answering and gives the addresses back.
    pub async fn close(&self) -> Result<()> {
        self.tasks.lock().await.shutdown().await;
        address::remove(&self.id, &self.addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_from_resolv_conf() {
        let text = "# nameserver 9.9.9.9\nsearch a b\nnameserver 10.96.0.10\n nameserver  1.1.1.1 \n\
                    nameserver fe80::1%eth0\nnameserver 2001:db8::1\n";
        let own = ["10.96.0.10".parse().unwrap()];
        let found: Vec<_> = parse_resolv_conf(text, &own).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["1.1.1.1:53", "[2001:db8::1]:53"]);
    }
}
