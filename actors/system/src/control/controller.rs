//! A ControllerActor per controller: decides keys and has their plans carried out.
//!
//! No key is decided again before the view has reached what its last plan committed, so a
//! decision never acts on a stale picture of its own doing.

use super::{
    executor::{Executor, Start},
    queue::{Queue, Turn},
    recorder::RecorderHandle,
    route::Missed,
    view::SharedView,
    work::SharedWork,
};
use podium_controllers::{Controller, Ids, Plan};
use podium_supervision::{Ctx, Handle, Worker};
use podium_types::{Key, Timestamp};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Keys of one controller that are decided or carried out at the same time.
const MAX_BUSY: usize = 32;
/// How long a plan's own commits may take to show in the view.
const VIEW_PATIENCE: Duration = Duration::from_secs(5);

/// What a ControllerActor hears.
pub enum ControllerMsg {
    /// These keys may have something to do.
    Wake(Vec<Key>),
    /// Everything may have something to do.
    WakeAll,
}

/// Sends to a ControllerActor.
pub type ControllerHandle = Handle<ControllerActor>;

/// See the module.
pub struct ControllerActor {
    controller: Arc<dyn Controller>,
    view: Arc<SharedView>,
    executor: Executor,
    recorder: RecorderHandle,
    work: SharedWork,
    missed: Missed,
    queue: Queue,
    ids: Ids,
    epoch: Instant,
    timer: Option<u64>,
    scope: Option<Key>,
    /// What its earlier lives added and retried.
    before: (u64, u64),
}

impl ControllerActor {
    /// The actor of `controller`; `missed` says what could not be told to it, `seed` makes its ids.
    pub fn new(
        controller: Arc<dyn Controller>,
        view: Arc<SharedView>,
        executor: Executor,
        recorder: RecorderHandle,
        work: SharedWork,
        missed: Missed,
        seed: u64,
    ) -> Self {
        let before = {
            let mut work = work.lock();
            // What an earlier life had begun, it did not end.
            work.begun.clear();
            (work.adds, work.retries)
        };
        Self {
            controller,
            view,
            executor,
            recorder,
            work,
            missed,
            queue: Queue::default(),
            ids: Ids::new(seed),
            epoch: Instant::now(),
            timer: None,
            scope: None,
            before,
        }
    }
    /// Decides that key alone.
    pub fn only(mut self, key: Key) -> Self {
        self.scope = Some(key);
        self
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }

    fn pump(&mut self, ctx: &mut Ctx<'_, Self>) {
        while self.queue.busy() < MAX_BUSY
            && let Some(Turn { key, waited }) = self.queue.next(self.now())
        {
            self.work.lock().begin(&key, Duration::from_millis(waited));
            self.decide(key, ctx);
        }
        self.show();
        if let Some(at) = self.queue.next_timer()
            && self.timer.is_none_or(|t| at < t)
        {
            self.timer = Some(at);
            let wait = Duration::from_millis(at.saturating_sub(self.now()) + 1);
            ctx.later(wait, move |actor, ctx| {
                if actor.timer == Some(at) {
                    actor.timer = None;
                }
                actor.pump(ctx);
            });
        }
    }

    fn decide(&mut self, key: Key, ctx: &mut Ctx<'_, Self>) {
        let (now, began) = (Timestamp::now(), Instant::now());
        let plan = self.controller.decide(&self.view.read(), &key, now, &mut self.ids);
        let wake_at = plan.wake_at.map(|at| self.now() + at.duration_since(now).as_millis().max(0) as u64);
        self.work.lock().decided(&key, &plan, now, began.elapsed());
        if let Some(at) = wake_at {
            self.queue.wake_at(key.clone(), at);
        }
        let Plan { writes, events, tried, .. } = plan;
        if writes.is_empty() {
            self.recorder.record(events);
            self.view.tried(&tried, now);
            self.work.lock().done(&key, began.elapsed(), None);
            self.queue.done(key, true, self.now());
            return;
        }
        let start = if self.queue.failed(&key) { Start::Slow } else { Start::Brisk };
        let (executor, view, controller) = (self.executor.clone(), self.view.clone(), self.controller.clone());
        let carry_out = async move {
            let done = executor.execute(writes, start).await;
            // Only then may the key be decided again.
            let _ = tokio::time::timeout(VIEW_PATIENCE, view.reached(done.revision)).await;
            let Some(refusal) = done.refused.first() else {
                view.tried(&tried, now);
                return (key, None, events);
            };
            let why = refusal.error.to_string();
            // What was not done is not told; what kept it from being done is.
            let told = controller.refused(&view.read(), &key, Timestamp::now(), &done.refused);
            let told_at = executor.execute(told.writes, Start::Brisk).await.revision;
            let _ = tokio::time::timeout(VIEW_PATIENCE, view.reached(told_at)).await;
            (key, Some(why), told.events)
        };
        ctx.spawn(carry_out, move |actor, (key, why, events), ctx| {
            let succeeded = why.is_none();
            actor.work.lock().done(&key, began.elapsed(), why.as_deref());
            if let Some(why) = why {
                tracing::debug!(controller = actor.controller.name(), %key, %why, "refused");
            }
            actor.recorder.record(events);
            actor.queue.done(key, succeeded, actor.now());
            actor.pump(ctx);
        });
    }

    /// Tells those who look how the queue stands.
    fn show(&self) {
        let mut work = self.work.lock();
        (work.depth, work.busy) = (self.queue.depth(), self.queue.busy());
        let (adds, retries) = self.queue.counts();
        (work.adds, work.retries) = (self.before.0 + adds, self.before.1 + retries);
    }

    fn wake_all(&mut self) {
        let keys = match &self.scope {
            Some(key) => vec![key.clone()],
            None => self.controller.all_keys(&self.view.read()),
        };
        for key in keys {
            self.queue.wake(key, self.now());
        }
    }
}

impl Worker for ControllerActor {
    type Msg = ControllerMsg;
    const CAPACITY: usize = 4096;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        self.wake_all();
        self.pump(ctx);
        ctx.ready();
    }

    fn handle(&mut self, msg: ControllerMsg, ctx: &mut Ctx<'_, Self>) {
        match msg {
            ControllerMsg::Wake(keys) => {
                let now = self.now();
                keys.into_iter().for_each(|key| self.queue.wake(key, now));
            }
            ControllerMsg::WakeAll => self.wake_all(),
        }
        if self.missed.take() {
            self.wake_all();
        }
        self.pump(ctx);
    }
}
