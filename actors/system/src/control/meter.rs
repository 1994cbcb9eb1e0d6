//! The MeterActor: asks the agents what is used, while somebody wants to know.
//!
//! Somebody is an autoscaler, or a client that asked lately. In a cluster without either, nothing is measured.

use super::view::SharedView;
use crate::hub::Hub;
use futures_util::{StreamExt, stream};
use podium_kinds::by_resource;
use podium_machinery::usage::{Ledger, Reading, Usage};
use podium_server::{agents::Agents, backend::Backend};
use podium_supervision::{Ctx, Worker};
use podium_types::Timestamp;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How often everything is measured, as metrics-server does.
const EVERY: Duration = Duration::from_secs(15);
/// Between the first two readings, of which the first figures are made.
const FIRST: Duration = Duration::from_secs(1);
/// How often to look whether anybody wants to know.
const LOOK: Duration = Duration::from_secs(1);
/// How long an agent may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Agents that are asked at once.
const PARALLEL: usize = 32;
/// Where agents tell what is used.
const PATH: &str = "/metrics/resource";

/// See the module.
pub struct MeterActor {
    hub: Arc<Hub>,
    view: Arc<SharedView>,
    agents: Agents,
    /// By the node's name; empty while nobody wants to know.
    ledgers: BTreeMap<String, Ledger>,
    /// When the last round began.
    last: Option<Instant>,
}

impl MeterActor {
    /// The actor that asks `agents` and tells hub and view.
    pub fn new(hub: Arc<Hub>, view: Arc<SharedView>, agents: Agents) -> Self {
        Self { hub, view, agents, ledgers: BTreeMap::new(), last: None }
    }

    /// Waits for a moment or for somebody who asks, then looks again.
    fn watch(&self, ctx: &mut Ctx<'_, Self>) {
        let usage = self.hub.usage.clone();
        let pause = async move {
            let _ = tokio::time::timeout(LOOK, usage.wanted()).await;
        };
        ctx.spawn(pause, |meter, (), ctx| meter.look(ctx));
    }

    fn look(&mut self, ctx: &mut Ctx<'_, Self>) {
        let wanted = self.hub.usage.interesting() || !self.view.read().autoscalers.is_empty();
        if !wanted {
            if self.last.take().is_some() {
                // An old reading would make a rate over all the time that nobody looked.
                self.ledgers.clear();
                self.hub.usage.forget();
                self.view.measure(Arc::default());
            }
            return self.watch(ctx);
        }
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return self.watch(ctx);
        }
        self.round(ctx);
    }

    /// Reads every node once, and a second time where there is nothing to compare with.
    fn round(&mut self, ctx: &mut Ctx<'_, Self>) {
        self.last = Some(Instant::now());
        let first = self.ledgers.is_empty();
        let (hub, agents) = (self.hub.clone(), self.agents.clone());
        let read = async move {
            let mut readings = read(&hub, &agents).await;
            if first {
                tokio::time::sleep(FIRST).await;
                readings.extend(read(&hub, &agents).await);
            }
            readings
        };
        ctx.spawn(read, |meter, readings, ctx| {
            meter.enter(readings);
            meter.watch(ctx);
        });
    }

    fn enter(&mut self, readings: Vec<(String, Reading)>) {
        // A node that does not answer is not known any more.
        self.ledgers.retain(|node, _| readings.iter().any(|(name, _)| name == node));
        for (node, reading) in readings {
            self.ledgers.entry(node).or_default().add(reading);
        }
        let mut usage = Usage::default();
        self.ledgers.iter().for_each(|(node, ledger)| ledger.report(node, &mut usage));
        let usage = Arc::new(usage);
        self.view.measure(usage.clone());
        self.hub.usage.publish(usage);
    }
}

/// One reading of every node whose agent answers.
async fn read(hub: &Arc<Hub>, agents: &Agents) -> Vec<(String, Reading)> {
    let Some(nodes) = by_resource("nodes") else { return Vec::new() };
    let names: Vec<String> = hub.snapshot(nodes).objects.keys().map(|key| key.name.clone()).collect();
    let asked = names.into_iter().map(|name| async move {
        let answer = tokio::time::timeout(PATIENCE, agents.get(&**hub, &name, PATH)).await.ok()?;
        let text = answer.inspect_err(|error| tracing::debug!(node = name, %error, "asking for what is used")).ok()?;
        Some((name, Reading::parse(std::str::from_utf8(&text).ok()?, Timestamp::now())))
    });
    stream::iter(asked).buffer_unordered(PARALLEL).filter_map(|found| async { found }).collect().await
}

impl Worker for MeterActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        // What an earlier life measured is told until this one has measured, too.
        self.watch(ctx);
        ctx.ready();
    }
    fn handle(&mut self, (): (), _ctx: &mut Ctx<'_, Self>) {}
}
