//! The node's heartbeat, on a thread of its own so that no work can starve it.

use crate::{
    Result,
    outage::Outage,
    shared::{Shared, client},
};
use jiff::Timestamp;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Node};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// As the log calls it.
const WHAT: &str = "renewing the node's lease";
/// Where node leases are.
const NAMESPACE: &str = "kube-node-lease";
/// Between two heartbeats.
const RENEW: Duration = Duration::from_secs(10);
/// After so long without one the node counts as lost.
const DURATION_SECONDS: u32 = 40;
/// Pause after a failed heartbeat.
const RETRY: Duration = Duration::from_secs(1);
/// A heartbeat that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(8);

pub(crate) fn lease_child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("lease", &Handle::new(), move || LeaseActor {
        shared: shared.clone(),
        client: None,
        outage: Outage::default(),
    })
}

struct LeaseActor {
    shared: Arc<Shared>,
    /// Bound to this actor's thread.
    client: Option<Client>,
    outage: Outage,
}

impl Worker for LeaseActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.ready();
        self.beat(ctx);
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}
}

impl LeaseActor {
    fn beat(&mut self, ctx: &mut Ctx<'_, Self>) {
        let (shared, known) = (self.shared.clone(), self.client.clone());
        let work = async move {
            let client = match known {
                Some(client) => client,
                None => client(&shared.config.kubeconfig, false).await?,
            };
            renew(&client, &shared.config.node_name).await?;
            Ok::<_, crate::Error>(client)
        };
        ctx.spawn(tokio::time::timeout(TIMEOUT, work), |me: &mut Self, outcome, ctx| {
            let pause = match outcome {
                Ok(Ok(client)) => {
                    me.client = Some(client);
                    me.outage.mended(WHAT);
                    RENEW
                }
                Ok(Err(error)) => {
                    me.outage.failed(WHAT, &error);
                    RETRY
                }
                Err(_) => {
                    me.outage.failed(WHAT, &"it took too long");
                    me.client = None;
                    RETRY
                }
            };
            ctx.later(pause, |me, ctx| me.beat(ctx));
        });
    }
}

async fn renew(client: &Client, node: &str) -> Result<()> {
    let api: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    let now = format!("{:.6}", Timestamp::now());
    let patch = json!({ "spec": {
        "holderIdentity": node, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": now,
    }});
    match api.patch(node, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Err(error) if crate::error::is_not_found(&error) => {}
        other => return other.map(drop).map_err(Into::into),
    }
    // The lease goes with its node.
    let nodes: Api<Node> = Api::all(client.clone());
    let owner = nodes.get_opt(node).await?.and_then(|n| n.metadata.uid);
    let owners: Vec<_> =
        owner.map(|uid| json!({ "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid })).into_iter().collect();
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": node, "namespace": NAMESPACE, "ownerReferences": owners },
        "spec": patch["spec"],
    });
    let lease: Lease = serde_json::from_value(lease).map_err(|e| crate::Error::Other(e.to_string()))?;
    api.create(&PostParams::default(), &lease).await?;
    Ok(())
}
