//! The cluster's certificates and keys: made once, kept in one directory.
//!
//! ECDSA P-256 throughout: a key takes a millisecond. Requests of others
//! are signed for a controller. Deliberately absent: rotation of the authority itself.

mod authority;
mod der;
mod files;
mod kubeconfig;
mod signer;

use authority::{Authority, Leaf};
use files::{exists, read, write};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

pub use authority::subject_alt_names;
pub use signer::Signer;

/// What the certificates must say.
#[derive(Clone, Debug)]
pub struct PkiConfig {
    /// Name of this machine's node.
    pub node_name: String,
    /// Addresses by which clients reach the API server and the node.
    pub addresses: Vec<IpAddr>,
    /// The API server's own cluster IP.
    pub service_ip: IpAddr,
    /// Port of the API server.
    pub api_port: u16,
    /// Where the administrator's kubeconfig goes.
    pub kubeconfig: PathBuf,
}

/// Why certificates could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key or certificate could not be made or read.
    #[error("certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A certificate on disk is damaged.
    #[error("{0}: not a certificate")]
    Damaged(PathBuf),
}

/// Makes what is missing in `dir`; what is there stays, save a server certificate whose addresses changed.
pub fn ensure(dir: &Path, config: &PkiConfig) -> Result<(), PkiError> {
    files::directory(dir)?;
    let ca = Authority::open(dir)?;
    server(dir, &ca, config)?;
    if !exists(&dir.join("kubelet-client.crt")) {
        let leaf = Leaf::client("kube-apiserver-kubelet-client", "system:masters");
        ca.issue(&leaf)?.write(dir, "kubelet-client")?;
    }
    if !exists(&dir.join("sa.key")) {
        write(&dir.join("sa.key"), &authority::new_key()?.serialize_pem(), true)?;
    }
    let address = format!("https://127.0.0.1:{}", config.api_port);
    let current = read(&config.kubeconfig).unwrap_or_default();
    if !current.contains(&format!("server: {address}\n")) || !current.contains(&kubeconfig::encode(&ca.certificate)) {
        let pair = ca.issue(&Leaf::client("kubernetes-admin", "system:masters"))?;
        let text = kubeconfig::render(&address, &ca.certificate, "kubernetes-admin", &pair);
        write(&config.kubeconfig, &text, true)?;
    }
    issue_node(dir, &config.node_name, &config.addresses, &address)
}

/// Makes a node's kubeconfig and serving certificate in `dir/nodes/<node>`, where they are not there yet.
///
/// `server` is the URL by which the node reaches the API server.
pub fn issue_node(dir: &Path, node: &str, addresses: &[IpAddr], server: &str) -> Result<(), PkiError> {
    let ca = Authority::open(dir)?;
    let place = dir.join("nodes").join(node);
    files::directory(&dir.join("nodes"))?;
    files::directory(&place)?;
    let user = format!("system:node:{node}");
    let path = place.join("node.kubeconfig");
    let current = read(&path).unwrap_or_default();
    if !current.contains(&format!("server: {server}\n")) || !current.contains(&kubeconfig::encode(&ca.certificate)) {
        let pair = ca.issue(&Leaf::client(&user, "system:nodes"))?;
        write(&path, &kubeconfig::render(server, &ca.certificate, &user, &pair), true)?;
    }
    let mut names = vec![node.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()];
    names.extend(addresses.iter().map(ToString::to_string));
    keep_or_issue(&place, "kubelet", &ca, Leaf::server(&user, "system:nodes", names))
}

fn server(dir: &Path, ca: &Authority, config: &PkiConfig) -> Result<(), PkiError> {
    let mut names: Vec<String> = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    ]
    .map(str::to_owned)
    .into();
    names.push("127.0.0.1".to_owned());
    names.push(config.node_name.clone());
    names.push(config.service_ip.to_string());
    names.extend(config.addresses.iter().map(ToString::to_string));
    keep_or_issue(dir, "server", ca, Leaf::server("kube-apiserver", "", names))
}

/// Keeps a serving certificate that bears the wanted names and comes from this authority.
fn keep_or_issue(dir: &Path, name: &str, ca: &Authority, mut leaf: Leaf) -> Result<(), PkiError> {
    leaf.names.sort();
    leaf.names.dedup();
    let path = dir.join(format!("{name}.crt"));
    if exists(&path) && exists(&dir.join(format!("{name}.key"))) {
        let pem = read(&path)?;
        if subject_alt_names(&pem).is_some_and(|names| names == leaf.names) && ca.signed(&pem) {
            return Ok(());
        }
    }
    ca.issue(&leaf)?.write(dir, name)
}

#[cfg(test)]
mod tests;
