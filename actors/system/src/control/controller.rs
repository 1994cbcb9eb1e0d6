//! A ControllerActor per controller: decides keys and has their plans carried out.
//!
//! No key is decided again before the view has reached what its last plan committed, so a
//! decision never acts on a stale picture of its own doing.

use super::{executor::Executor, queue::Queue, recorder::RecorderHandle, view::SharedView};
use podium_controllers::{Controller, Ids, Plan};
use podium_supervision::{Ctx, Handle, Worker};
use podium_types::{Key, Timestamp};
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Keys of one controller that are decided or carried out at the same time.
const MAX_BUSY: usize = 32;
/// Decisions kept for `kubectl describe actor`.
const MAX_NOTES: usize = 16;
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

/// What a controller did lately, for introspection.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// Keys that wait.
    pub depth: usize,
    /// Keys at work.
    pub busy: usize,
    /// Decisions taken.
    pub decisions: u64,
    /// Plans that could not be carried out whole.
    pub errors: u64,
    /// Last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The last decisions that did something, newest last: key, then what and why.
    pub notes: VecDeque<String>,
}

/// Shared with those who look.
pub type SharedWork = Arc<Mutex<Work>>;

/// See the module.
pub struct ControllerActor {
    controller: Arc<dyn Controller>,
    view: Arc<SharedView>,
    executor: Executor,
    recorder: RecorderHandle,
    work: SharedWork,
    queue: Queue,
    ids: Ids,
    epoch: Instant,
    timer: Option<u64>,
    scope: Option<Key>,
}

impl ControllerActor {
    /// The actor of `controller`; `seed` makes its ids.
    pub fn new(
        controller: Arc<dyn Controller>,
        view: Arc<SharedView>,
        executor: Executor,
        recorder: RecorderHandle,
        work: SharedWork,
        seed: u64,
    ) -> Self {
        Self {
            controller,
            view,
            executor,
            recorder,
            work,
            queue: Queue::default(),
            ids: Ids::new(seed),
            epoch: Instant::now(),
            timer: None,
            scope: None,
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
            && let Some(key) = self.queue.next(self.now())
        {
            self.decide(key, ctx);
        }
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        (work.depth, work.busy) = (self.queue.depth(), self.queue.busy());
        drop(work);
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
        let now = Timestamp::now();
        let plan = self.controller.decide(&self.view.read(), &key, now, &mut self.ids);
        let wake_at = plan.wake_at.map(|at| self.now() + at.duration_since(now).as_millis().max(0) as u64);
        self.note(&key, &plan);
        if let Some(at) = wake_at {
            self.queue.wake_at(key.clone(), at);
        }
        let Plan { writes, events, .. } = plan;
        if writes.is_empty() {
            self.recorder.record(events);
            self.queue.done(key, true, self.now());
            return;
        }
        let (executor, view) = (self.executor.clone(), self.view.clone());
        let carry_out = async move {
            let done = executor.execute(writes).await;
            // Only then may the key be decided again.
            let _ = tokio::time::timeout(VIEW_PATIENCE, view.reached(done.revision)).await;
            (key, done, events)
        };
        ctx.spawn(carry_out, |actor, (key, done, events), ctx| {
            let succeeded = done.refused.is_none();
            if let Some(why) = done.refused {
                let mut work = actor.work.lock().unwrap_or_else(PoisonError::into_inner);
                work.errors += 1;
                work.last_error = Some(format!("{key}: {why}"));
                drop(work);
                tracing::debug!(controller = actor.controller.name(), %key, %why, "refused");
            } else {
                // What was not done is not told; the next decision tells it.
                actor.recorder.record(events);
            }
            actor.queue.done(key, succeeded, actor.now());
            actor.pump(ctx);
        });
    }

    fn note(&self, key: &Key, plan: &Plan) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.decisions += 1;
        if !plan.writes.is_empty() {
            let what = if plan.note.is_empty() { format!("{} writes", plan.writes.len()) } else { plan.note.clone() };
            work.notes.push_back(format!("{key}: {what}"));
            if work.notes.len() > MAX_NOTES {
                work.notes.pop_front();
            }
        }
    }

    fn wake_all(&mut self) {
        let keys = match &self.scope {
            Some(key) => vec![key.clone()],
            None => self.controller.all_keys(&self.view.read()),
        };
        for key in keys {
            self.queue.wake(key);
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
            ControllerMsg::Wake(keys) => keys.into_iter().for_each(|key| self.queue.wake(key)),
            ControllerMsg::WakeAll => self.wake_all(),
        }
        self.pump(ctx);
    }
}
