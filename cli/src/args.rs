//! The command line. Every setting has a flag and an environment variable.

use clap::{Args, Parser, Subcommand};
use std::{net::IpAddr, path::PathBuf};

/// A container orchestrator that speaks the Kubernetes API, keeps its state in PostgreSQL,
/// and is made of supervised actors.
#[derive(Parser)]
#[command(name = "podium", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Start a whole cluster on this machine: PostgreSQL, control plane, agent.
    Up(UpArgs),
    /// End the cluster that `up` started, and clean up what it made.
    Down(DownArgs),
    /// Run the control plane alone (`up` does this for you).
    Server(ServerArgs),
    /// Run the node agent alone (`up` does this for you).
    Agent(AgentArgs),
    /// Load, pull, list and remove images.
    Image(ImageArgs),
    /// Show the live actor tree.
    Tree(TreeArgs),
    /// Say why a pod waits: what every filter says of every node, and the smallest change that would help.
    Explain(ExplainArgs),
    /// Print a shell completion script.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Where a cluster lives.
#[derive(Args, Clone)]
pub struct Place {
    /// Directory of the cluster's data.
    #[arg(long, global = true, env = "PODIUM_DATA_DIR", default_value = crate::access::DATA_DIR)]
    pub data_dir: PathBuf,
}

/// Settings of the network.
#[derive(Args, Clone)]
pub struct NetworkArgs {
    /// Addresses of Services; the first is the API's, the tenth is the DNS server's.
    #[arg(long, env = "PODIUM_SERVICE_CIDR", default_value = "10.96.0.0/16")]
    pub service_cidr: ipnetwork::Ipv4Network,
    /// Addresses of pods; each node gets a /24 of it.
    #[arg(long, env = "PODIUM_CLUSTER_CIDR", default_value = "10.244.0.0/16")]
    pub cluster_cidr: ipnetwork::Ipv4Network,
    /// Domain of cluster DNS names.
    #[arg(long, env = "PODIUM_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
}

/// Settings of the node.
#[derive(Args, Clone)]
pub struct NodeArgs {
    /// Name of the node; the host's name when absent.
    #[arg(long, env = "PODIUM_NODE_NAME")]
    pub node_name: Option<String>,
    /// Address of the node; that of the default route when absent.
    #[arg(long, env = "PODIUM_NODE_IP")]
    pub node_ip: Option<IpAddr>,
    /// Port of the node's own API (logs, exec, port-forward).
    #[arg(long, env = "PODIUM_KUBELET_PORT", default_value_t = 10250)]
    pub kubelet_port: u16,
    /// File of registry mirrors and credentials; `registries.yaml` in the data directory when absent.
    #[arg(long, env = "PODIUM_REGISTRIES")]
    pub registries: Option<PathBuf>,
    /// File with a KubeletConfiguration (eviction, image garbage collection, reserved resources); `kubelet.yaml` in the
    /// data directory when absent.
    #[arg(long, env = "PODIUM_KUBELET_CONFIG")]
    pub kubelet_config: Option<PathBuf>,
    /// Pods that the node takes at most.
    #[arg(long, env = "PODIUM_MAX_PODS", default_value_t = 110)]
    pub max_pods: u32,
}

#[derive(Args, Clone)]
pub struct UpArgs {
    #[command(flatten)]
    pub place: Place,
    /// Port of the Kubernetes API.
    #[arg(long, env = "PODIUM_API_PORT", default_value_t = 6443)]
    pub api_port: u16,
    /// An existing PostgreSQL to keep the state in; a private one is started when absent.
    #[arg(long, env = "PODIUM_DATABASE_URL")]
    pub database_url: Option<String>,
    /// Return once the node is Ready, and let the cluster run on.
    #[arg(long)]
    pub detach: bool,
    /// Run as the detached parent (internal).
    #[arg(long, hide = true)]
    pub parent: bool,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Args, Clone)]
pub struct DownArgs {
    #[command(flatten)]
    pub place: Place,
    /// Remove the cluster's data as well.
    #[arg(long)]
    pub purge: bool,
}

#[derive(Args, Clone)]
pub struct ServerArgs {
    #[command(flatten)]
    pub place: Place,
    /// Port of the Kubernetes API.
    #[arg(long, env = "PODIUM_API_PORT", default_value_t = 6443)]
    pub api_port: u16,
    /// The PostgreSQL that holds the state; that of `database-url` in the data directory when absent.
    #[arg(long, env = "PODIUM_DATABASE_URL")]
    pub database_url: Option<String>,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Args, Clone)]
pub struct AgentArgs {
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Args)]
pub struct ImageArgs {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub command: ImageCommand,
}

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Load images from a tar (OCI layout or docker archive).
    Load {
        /// The tar.
        tar: PathBuf,
    },
    /// Pull an image from its registry.
    Pull {
        /// `nginx`, `registry.example/team/app:1`, `…@sha256:…`
        reference: String,
    },
    /// List the images on this node.
    List {
        /// `table` or `json`.
        #[arg(long, default_value = "table")]
        output: Output,
    },
    /// Remove an image.
    Remove {
        /// Its name.
        reference: String,
    },
}

/// How a running cluster is reached.
#[derive(Args, Clone)]
pub struct Access {
    /// Directory of the cluster's data [default: the cluster of KUBECONFIG, else /var/lib/podium].
    #[arg(long, env = "PODIUM_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Args)]
pub struct TreeArgs {
    #[command(flatten)]
    pub access: Access,
    /// `table` or `json`.
    #[arg(long, default_value = "table")]
    pub output: Output,
}

#[derive(Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub access: Access,
    /// What is explained.
    pub kind: Explained,
    /// Its name.
    pub name: String,
    /// Its namespace [default: that of the kubeconfig's context, else default].
    #[arg(long, short, env = "PODIUM_NAMESPACE")]
    pub namespace: Option<String>,
    /// `table` or `json`.
    #[arg(long, short, default_value = "table")]
    pub output: Output,
}

/// What `podium explain` knows something about.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Explained {
    #[value(alias = "pods", alias = "po")]
    Pod,
}

/// For people or for scripts.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Table,
    Json,
}
