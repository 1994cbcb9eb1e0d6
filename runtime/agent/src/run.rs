//! The agent's whole tree on one page.

use crate::{
    AgentConfig, Error, Result, api, boot, cluster_id, devices, error::io, events, eviction, images, net, node, pods,
    shared::Shared, shutdown,
};
use podium_dataplane::{ROUTER, add_node_address};
use podium_supervision::{Exit, Intensity, Placement, Root, Strategy, SupervisorHandle, Tree};
use std::{
    future::Future,
    net::{IpAddr, TcpListener},
};

/// As a kubelet's.
const OOM_SCORE: &str = "-999";

/// Runs the agent inside an actix system until `shutdown` resolves. Containers run on.
pub async fn run(config: AgentConfig, shutdown: impl Future<Output = ()>) -> Result<()> {
    // Whoever installed one before us wins; both are ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Killed last of all: containers run on without an agent, but nobody would look after them.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let listener = TcpListener::bind(("0.0.0.0", config.kubelet_port))
        .map_err(io(format!("listen on the kubelet port {}", config.kubelet_port)))?;
    let port = listener.local_addr().map_err(io("kubelet port"))?.port();
    boot::look(&config).await?;
    if config.node_ip == IpAddr::V4(ROUTER) {
        add_node_address(&cluster_id(&config.data_dir))?;
    }
    let tree = Tree::default();
    let shared = Shared::open(config, port, &tree).await?;
    let pod_actors = SupervisorHandle::new(Vec::new());
    let children = vec![
        events::child(&shared),
        node::lease_child(&shared).placement(Placement::Own),
        node::status_child(&shared),
        node::qos_child(&shared),
        eviction::child(&shared),
        devices::child(&shared),
        images::child(&shared),
        net::network_child(&shared),
        net::services_child(&shared),
        pod_actors.spec("pods", &tree, Strategy::OneForOne, Intensity::patient()),
        shutdown::child(&shared),
        pods::own_node_child(&shared),
        pods::manifests_child(&shared, &pod_actors),
        pods::child(&shared, &pod_actors),
        api::child(&shared, listener),
    ];
    let root = Root::new("agent", &tree, Strategy::OneForOne, Intensity::default(), children);
    match root.run(shutdown).await {
        Exit::Normal | Exit::Killed => Ok(()),
        other => Err(Error::Other(other.to_string())),
    }
}
