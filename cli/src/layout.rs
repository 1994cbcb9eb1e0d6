//! Where a cluster keeps what: the one place that knows the data directory's layout.

use crate::args::{NetworkArgs, NodeArgs};
use anyhow::{Context, Result};
use std::{
    fs::OpenOptions,
    io::Write,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Paths of one cluster.
#[derive(Clone)]
pub struct Layout {
    /// The data directory, absolute.
    pub data: PathBuf,
    /// Sockets and pins: short paths, gone after a reboot.
    pub run: PathBuf,
}

impl Layout {
    /// The layout of the cluster in `data`, which is made if it is missing.
    pub fn open(data: &Path) -> Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("making the data directory {}", data.display()))?;
        let data = data.canonicalize().with_context(|| format!("opening {}", data.display()))?;
        let id = podium_agent::cluster_id(&data);
        let run = PathBuf::from("/run/podium").join(&id);
        Ok(Self { data, run })
    }
    pub fn pki(&self) -> PathBuf {
        self.data.join("pki")
    }
    pub fn postgres(&self) -> PathBuf {
        self.data.join("pg")
    }
    pub fn postgres_socket(&self) -> PathBuf {
        self.run.join("pg")
    }
    /// Where clients find the database: `psql "$(cat …)"`.
    pub fn database_url(&self) -> PathBuf {
        self.data.join("database-url")
    }
    /// What `up` wrote there.
    pub fn read_database_url(&self) -> Result<String> {
        let path = self.database_url();
        let url = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(url.trim().to_owned())
    }
    /// For the owner of the data directory alone.
    pub fn write_database_url(&self, url: &str) -> Result<()> {
        let path = self.database_url();
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        writeln!(file, "{url}").with_context(|| format!("writing {}", path.display()))
    }
    pub fn kubeconfig(&self) -> PathBuf {
        self.data.join("kubeconfig")
    }
    pub fn images(&self) -> PathBuf {
        self.data.join("images")
    }
    pub fn log(&self, name: &str) -> PathBuf {
        self.data.join("log").join(format!("{name}.log"))
    }
    pub fn pidfile(&self) -> PathBuf {
        self.data.join("podium.pid")
    }
    pub fn registries(&self, args: &NodeArgs) -> PathBuf {
        args.registries.clone().unwrap_or_else(|| self.data.join("registries.yaml"))
    }
    pub fn settings(&self, args: &NodeArgs) -> PathBuf {
        args.kubelet_config.clone().unwrap_or_else(|| self.data.join("kubelet.yaml"))
    }
}

/// The node's name: as given, or the host's.
pub fn node_name(args: &NodeArgs) -> Result<String> {
    if let Some(name) = &args.node_name {
        return Ok(name.clone());
    }
    let host = nix::unistd::gethostname().context("reading the host name")?;
    Ok(host.to_string_lossy().to_lowercase())
}

/// The node's address: as given, that of the default route, or the one that the agent makes where there is none.
pub fn node_ip(args: &NodeArgs) -> IpAddr {
    if let Some(ip) = args.node_ip {
        return ip;
    }
    // Connecting a UDP socket sends nothing; it only asks the routing table (TEST-NET-1).
    let asked = UdpSocket::bind("0.0.0.0:0").and_then(|s| {
        s.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        s.local_addr()
    });
    asked.map_or(IpAddr::V4(podium_agent::LONELY_NODE), |a| a.ip())
}

/// The `n`th address of the service range.
pub fn service_ip(args: &NetworkArgs, n: u32) -> IpAddr {
    IpAddr::V4(args.service_cidr.nth(n).unwrap_or(args.service_cidr.ip()))
}
