//! Opens the pod network as soon as the node has been given its podCIDR.

use crate::{Error, Result, cleanup::Traces, pace::Pace, shared::Shared};
use futures_util::{StreamExt, pin_mut};
use ipnetwork::Ipv4Network;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use podium_dataplane::{Network, NetworkConfig};
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

pub(crate) fn network_child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("network", &Handle::new(), move || NetworkActor { shared: shared.clone() })
}

struct NetworkActor {
    shared: Arc<Shared>,
}

impl Worker for NetworkActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.ready();
        if self.shared.network.borrow().is_some() {
            return;
        }
        let shared = self.shared.clone();
        ctx.spawn(async move { open(&shared).await }, |me: &mut Self, outcome, ctx| match outcome {
            Ok(network) => {
                me.shared.network.send_replace(Some(Arc::new(network)));
            }
            Err(error) => ctx.fail(error.to_string()),
        });
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}
}

async fn open(shared: &Shared) -> Result<Network> {
    let config = &shared.config;
    let pod_cidr = pod_cidr(shared).await?;
    let traces =
        Traces { routes: vec![config.service_cidr.to_string(), pod_cidr.to_string()], dns: vec![config.cluster_dns] };
    traces.write(&config.data_dir)?;
    Ok(Network::open(NetworkConfig {
        id: shared.id.clone(),
        pod_cidr,
        cluster_cidr: config.cluster_cidr,
        service_cidr: config.service_cidr,
        node_ip: ipv4(config.node_ip)?,
        state_dir: config.data_dir.join("network"),
        netns_dir: config.run_dir.join("netns"),
    })
    .await?)
}

/// The node's part of the cluster CIDR; waits for it.
async fn pod_cidr(shared: &Shared) -> Result<Ipv4Network> {
    let field = format!("metadata.name={}", shared.config.node_name);
    let nodes: Api<Node> = Api::all(shared.eager.clone());
    let watched = watcher(nodes, watcher::Config::default().fields(&field));
    let stream = watched.backoff(Pace::default()).applied_objects();
    pin_mut!(stream);
    while let Some(node) = stream.next().await {
        let Ok(node) = node else { continue };
        let spec = node.spec.unwrap_or_default();
        let all = spec.pod_cidrs.into_iter().flatten().chain(spec.pod_cidr);
        if let Some(cidr) = all.filter_map(|cidr| cidr.parse().ok()).next() {
            return Ok(cidr);
        }
    }
    Err(Error::Other("the watch of the node ended".to_owned()))
}

/// The pod network is IPv4.
pub(super) fn ipv4(ip: IpAddr) -> Result<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Ok(ip),
        IpAddr::V6(ip) => Err(Error::Other(format!("the node's address {ip} is not an IPv4 address"))),
    }
}
