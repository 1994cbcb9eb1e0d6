//! `podium agent`: the node agent as one process.

use crate::{
    args::AgentArgs,
    layout::{Layout, node_ip, node_name, service_ip},
    logging,
};
use anyhow::{Context, Result};
use podium_agent::AgentConfig;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the agent until it is told to stop; containers run on.
pub fn run(args: AgentArgs) -> Result<()> {
    logging::start();
    let layout = Layout::open(&args.place.data_dir)?;
    let node_name = node_name(&args.node)?;
    let identity = layout.pki().join("nodes").join(&node_name);
    let config = AgentConfig {
        kubeconfig: identity.join("node.kubeconfig"),
        kubelet_cert: identity.join("kubelet.crt"),
        kubelet_key: identity.join("kubelet.key"),
        client_ca: layout.pki().join("ca.crt"),
        node_name,
        exe: std::env::current_exe().context("finding the podium binary")?,
        kubelet_port: args.node.kubelet_port,
        node_ip: node_ip(&args.node),
        cluster_dns: service_ip(&args.network, 10),
        cluster_domain: args.network.cluster_domain.clone(),
        service_cidr: args.network.service_cidr,
        cluster_cidr: args.network.cluster_cidr,
        registries: layout.registries(&args.node),
        settings: layout.settings(&args.node),
        max_pods: args.node.max_pods,
        data_dir: layout.data,
        run_dir: layout.run,
    };
    actix_rt::System::new().block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        podium_agent::run(config, async move {
            terminate.recv().await;
        })
        .await?;
        Ok(())
    })
}
