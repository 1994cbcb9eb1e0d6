//! The NodeKeeper: one subtree per Node object, started and stopped as Nodes come and go.

use super::link::AgentLink;
use crate::{
    control::{
        controller::ControllerActor, executor::Executor, recorder::RecorderHandle, route::PerKey, view::SharedView,
        work::Works,
    },
    hub::{Hub, News},
};
use podium_controllers::Controller;
use podium_kinds::{Kind, by_resource};
use podium_machinery::state::{Change, Event};
use podium_server::{agents::Agents, backend::Backend};
use podium_supervision::{Ctx, Handle, Intensity, Strategy, SupervisorHandle, Tree, Worker, child};
use podium_types::Key;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::broadcast::{self, error::RecvError};

/// What the actors of a node are made with.
#[derive(Clone)]
pub struct NodeParts {
    /// Shared state.
    pub hub: Arc<Hub>,
    /// For introspection.
    pub tree: Tree,
    /// What its controllers did.
    pub works: Works,
    /// Judges nodes.
    pub controller: Arc<dyn Controller>,
    /// What it looks at.
    pub view: Arc<SharedView>,
    /// Makes its writes.
    pub executor: Executor,
    /// Records its events.
    pub recorder: RecorderHandle,
    /// Where the actors are found.
    pub actors: PerKey,
    /// Speaks to agents.
    pub agents: Agents,
}

/// See the module.
pub struct NodeKeeper {
    parts: NodeParts,
    nodes: SupervisorHandle,
}

impl NodeKeeper {
    /// The keeper that adds to `nodes`.
    pub fn new(parts: NodeParts, nodes: SupervisorHandle) -> Self {
        Self { parts, nodes }
    }

    /// Brings the subtrees in line with the Nodes there are.
    fn sync(&self) {
        let Some(kind) = by_resource("nodes") else { return };
        let snapshot = self.parts.hub.snapshot(kind);
        let wanted: BTreeSet<Key> = snapshot.objects.keys().cloned().collect();
        for key in self.parts.actors.keys().into_iter().filter(|k| !wanted.contains(k)) {
            self.nodes.remove(&key.name);
            self.parts.actors.leave(&key);
            self.parts.hub.live.leave(&key.name);
            self.parts.works.leave(&lifecycle_path(&key.name));
        }
        let there: BTreeSet<String> = self.nodes.names().into_iter().collect();
        for key in wanted.iter().filter(|key| !there.contains(&key.name)) {
            self.add(key);
        }
    }

    fn add(&self, key: &Key) {
        let p = self.parts.clone();
        let scope = key.clone();
        let work = p.works.join(&lifecycle_path(&key.name), p.controller.name());
        let line = p.actors.join(key);
        let missed = line.missed.clone();
        let lifecycle = child("lifecycle", &line.handle, {
            let p = p.clone();
            move || {
                let seed = uuid::Uuid::new_v4().as_u64_pair().0;
                let (c, v, e) = (p.controller.clone(), p.view.clone(), p.executor.clone());
                ControllerActor::new(c, v, e, p.recorder.clone(), work.clone(), missed.clone(), seed)
                    .only(scope.clone())
            }
        });
        let name = key.name.clone();
        let (hub, agents) = (p.hub.clone(), p.agents.clone());
        let link = child("agent", &Handle::new(), move || AgentLink::new(hub.clone(), agents.clone(), name.clone()));
        let node = SupervisorHandle::new(vec![lifecycle, link]);
        self.nodes.add(node.spec(key.name.clone(), &p.tree, Strategy::OneForOne, Intensity::patient()));
    }

    fn follow(mut news: broadcast::Receiver<News>, ctx: &mut Ctx<'_, Self>) {
        let next = async move {
            loop {
                match news.recv().await {
                    // What a node says of itself changes nothing about whether it is one.
                    Ok(News::Events(events, _)) if !events.iter().any(|(kind, event)| comes_or_goes(kind, event)) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return Some(news),
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        ctx.spawn(next, |keeper, news, ctx| {
            let Some(news) = news else { return ctx.fail("the feed is gone") };
            keeper.sync();
            Self::follow(news, ctx);
        });
    }
}

fn comes_or_goes(kind: &Kind, event: &Event) -> bool {
    kind.resource == "nodes" && event.change != Change::Modified
}

/// Path of the actor that judges a node.
fn lifecycle_path(node: &str) -> String {
    format!("root/nodes/{node}/lifecycle")
}

impl Worker for NodeKeeper {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let news = self.parts.hub.firehose.subscribe();
        self.sync();
        Self::follow(news, ctx);
        ctx.ready();
    }
    fn handle(&mut self, (): (), _ctx: &mut Ctx<'_, Self>) {}
}
