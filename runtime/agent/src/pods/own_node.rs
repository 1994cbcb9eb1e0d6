//! The node as the API has it: its labels decide which pods belong here.

use crate::{pace::Pace, shared::Shared};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use std::sync::Arc;

pub(crate) fn child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("own-node", &Handle::new(), move || OwnNode { shared: shared.clone() })
}

struct OwnNode {
    shared: Arc<Shared>,
}

impl Worker for OwnNode {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let shared = self.shared.clone();
        let follow = async move {
            let api: Api<Node> = Api::all(shared.eager.clone());
            let config = watcher::Config::default().fields(&format!("metadata.name={}", shared.config.node_name));
            let mut stream = Box::pin(watcher(api, config).backoff(Pace::default()));
            while let Some(event) = stream.next().await {
                match event {
                    Ok(watcher::Event::InitApply(node) | watcher::Event::Apply(node)) => {
                        shared.node.store(Some(Arc::new(node)));
                    }
                    Ok(watcher::Event::Delete(_)) => shared.node.store(None),
                    Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
                    Err(error) => tracing::debug!(%error, "watch of the node"),
                }
            }
        };
        ctx.spawn(follow, |_, (), ctx| ctx.fail("the watch of the node ended"));
        ctx.ready();
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}
}
