//! The AgentLink: brings an agent's actor tree here, and kills of its actors there.

use crate::hub::Hub;
use podium_server::agents::Agents;
use podium_supervision::{Ctx, NodeStatus, Worker};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How often an agent is asked for its tree.
const EVERY: Duration = Duration::from_secs(2);
/// How soon again where it did not answer.
const RETRY: Duration = Duration::from_millis(250);
/// Pause after a kill, so that the tree that is read next shows it.
const AFTER_KILL: Duration = Duration::from_millis(50);

/// See the module.
pub struct AgentLink {
    hub: Arc<Hub>,
    agents: Agents,
    node: String,
}

impl AgentLink {
    /// The link to the agent of `node`.
    pub fn new(hub: Arc<Hub>, agents: Agents, node: String) -> Self {
        Self { hub, agents, node }
    }

    fn ask(&self, mut kills: mpsc::Receiver<String>, ctx: &mut Ctx<'_, Self>) {
        let (hub, agents, node) = (self.hub.clone(), self.agents.clone(), self.node.clone());
        let round = async move {
            let answer = agents.get(&*hub, &node, "/actors").await;
            let actors = answer.ok().and_then(|body| serde_json::from_slice::<Vec<NodeStatus>>(&body).ok());
            // An agent that does not answer keeps its last tree: the Node's conditions tell of it.
            let pause = if actors.is_some() { EVERY } else { RETRY };
            if let Some(actors) = actors {
                hub.live.tell(&node, actors);
            }
            if let Ok(Some(path)) = tokio::time::timeout(pause, kills.recv()).await {
                if let Err(error) = agents.delete(&*hub, &node, &format!("/actors/{path}")).await {
                    tracing::warn!(node, path, %error, "killing an actor of an agent");
                }
                tokio::time::sleep(AFTER_KILL).await;
            }
            kills
        };
        ctx.spawn(round, |link, kills, ctx| link.ask(kills, ctx));
    }
}

impl Worker for AgentLink {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let kills = self.hub.live.join(&self.node);
        self.ask(kills, ctx);
        ctx.ready();
    }
    fn handle(&mut self, (): (), _ctx: &mut Ctx<'_, Self>) {}
}
