//! Registers the Node and keeps its status true.

use super::object::{Condition, conditions, node, status};
use crate::{Result, error::is_not_found, outage::Outage, shared::Shared};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use std::{sync::Arc, time::Duration};

/// As the log calls it.
const WHAT: &str = "writing the node's status";
/// An unchanged status is written this often.
const REPORT: Duration = Duration::from_secs(300);
/// How often the machine is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// Pause after the API failed.
const RETRY: Duration = Duration::from_millis(100);

pub(crate) fn status_child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("node-status", &Handle::new(), move || NodeActor {
        shared: shared.clone(),
        reported: Vec::new(),
        devices: 0,
        since: Vec::new(),
        at: None,
        outage: Outage::default(),
    })
}

struct NodeActor {
    shared: Arc<Shared>,
    reported: Vec<Condition>,
    /// The change of devices that was reported.
    devices: u64,
    since: Vec<Timestamp>,
    at: Option<Timestamp>,
    outage: Outage,
}

enum NodeMsg {
    /// Look at the machine, and report where it is time.
    Look,
}

impl Worker for NodeActor {
    type Msg = NodeMsg;
    const CAPACITY: usize = 16;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let mut devices = self.shared.devices.changed.subscribe();
        let (mut network, mut pressure) = (self.shared.network.subscribe(), self.shared.pressure.subscribe());
        let mut shutdown = self.shared.shutting_down.subscribe();
        let handle = ctx.handle();
        ctx.spawn(
            async move {
                // A node becomes Ready the moment its network is there, and says at once that it runs short. The
                // senders live as long as we do.
                loop {
                    tokio::select! {
                        _ = network.changed() => {}
                        _ = pressure.changed() => {}
                        _ = shutdown.changed() => {}
                        _ = devices.changed() => {}
                    }
                    let _ = handle.tell(NodeMsg::Look);
                }
            },
            |_, (), _| {},
        );
        ctx.ready();
        self.look(ctx);
    }

    fn handle(&mut self, _: NodeMsg, ctx: &mut Ctx<'_, Self>) {
        self.look(ctx);
    }
}

impl NodeActor {
    fn look(&mut self, ctx: &mut Ctx<'_, Self>) {
        let blocked = match *self.shared.network.borrow() {
            _ if *self.shared.shutting_down.borrow() => Some("node is shutting down".to_owned()),
            Some(_) => None,
            None => Some("container runtime network not ready: the node has no podCIDR yet".to_owned()),
        };
        let fresh = conditions(blocked, &self.shared.pressure.borrow());
        let now = Timestamp::now();
        let due = self.at.is_none_or(|at| now.duration_since(at).as_secs() >= REPORT.as_secs() as i64);
        let devices = *self.shared.devices.changed.borrow();
        if fresh == self.reported && devices == self.devices && !due {
            ctx.later(LOOK, |me, ctx| me.look(ctx));
            return;
        }
        let since = (0..fresh.len())
            .map(|i| match (self.reported.get(i), self.since.get(i)) {
                (Some(old), Some(since)) if old.status == fresh[i].status => *since,
                _ => now,
            })
            .collect::<Vec<_>>();
        let shared = self.shared.clone();
        let body = status(&shared, &fresh, &since, now);
        let first = self.at.is_none();
        ctx.wait(async move { report(&shared, body, first).await }, move |me: &mut Self, outcome, ctx| {
            let pause = match outcome {
                Ok(()) => {
                    me.outage.mended(WHAT);
                    if first {
                        tracing::info!(node = me.shared.config.node_name, "the node is registered");
                    }
                    (me.reported, me.since, me.at) = (fresh, since, Some(now));
                    me.devices = devices;
                    LOOK
                }
                Err(error) => {
                    me.outage.failed(WHAT, &error);
                    RETRY
                }
            };
            ctx.later(pause, |me, ctx| me.look(ctx));
        });
    }
}

/// Writes the status; registers the node first where it is unknown.
async fn report(shared: &Shared, body: serde_json::Value, first: bool) -> Result<()> {
    let api: Api<Node> = Api::all(shared.eager.clone());
    let name = &shared.config.node_name;
    if first {
        register(shared, &api).await?;
    }
    let patch = Patch::Strategic(serde_json::json!({ "status": body }));
    match api.patch_status(name, &PatchParams::default(), &patch).await {
        Err(error) if is_not_found(&error) => {
            register(shared, &api).await?;
            api.patch_status(name, &PatchParams::default(), &patch).await?;
        }
        other => drop(other?),
    }
    Ok(())
}

async fn register(shared: &Shared, api: &Api<Node>) -> Result<()> {
    let object = node(shared);
    if api.get_opt(&shared.config.node_name).await?.is_some() {
        let patch = Patch::Merge(serde_json::json!({ "metadata": { "labels": object["metadata"]["labels"] } }));
        api.patch(&shared.config.node_name, &PatchParams::default(), &patch).await?;
        return Ok(());
    }
    let object: Node = serde_json::from_value(object).map_err(|e| crate::Error::Other(e.to_string()))?;
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(drop).map_err(Into::into),
    }
}
