//! The ViewActor: folds every event into the controllers' view and wakes who must decide.

use super::route::Route;
use crate::hub::{Hub, News};
use podium_controllers::{Controller, View};
use podium_kinds::{KINDS, Kind};
use podium_machinery::{
    state::{Change, Event},
    usage::Usage,
};
use podium_server::backend::Backend;
use podium_supervision::{Ctx, Worker};
use podium_types::{Key, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

/// The view as controllers share it, and the revision that it has reached.
pub struct SharedView {
    view: RwLock<View>,
    revision: watch::Sender<u64>,
}

impl Default for SharedView {
    fn default() -> Self {
        Self { view: RwLock::default(), revision: watch::channel(0).0 }
    }
}

impl SharedView {
    /// The view for reading. A view whose writer died half way is being rebuilt by the next one.
    pub fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }
    /// Resolves when the view has reached `revision`.
    pub async fn reached(&self, revision: u64) {
        let mut seen = self.revision.subscribe();
        let _ = seen.wait_for(|r| *r >= revision).await;
    }
    /// What has been measured lately.
    pub fn measure(&self, usage: Arc<Usage>) {
        self.view.write().unwrap_or_else(PoisonError::into_inner).usage = usage;
    }
    /// Notes pods that were tried in vain.
    pub fn tried(&self, tried: &BTreeMap<String, u64>, now: Timestamp) {
        if !tried.is_empty() {
            self.view.write().unwrap_or_else(PoisonError::into_inner).tried(tried, now);
        }
    }
    fn replace(&self, mut view: View, revision: u64) {
        let mut shared = self.view.write().unwrap_or_else(PoisonError::into_inner);
        view.since = Some(Timestamp::now());
        view.inherit(&shared);
        *shared = view;
        drop(shared);
        self.revision.send_replace(revision);
    }
}

/// A controller and the way to its actor.
pub struct Wired {
    /// The decisions.
    pub controller: Arc<dyn Controller>,
    /// The way to who decides.
    pub route: Route,
}

/// How often a new ViewActor looks whether every kind has been loaded.
const LOOK: Duration = Duration::from_millis(2);

/// See the module.
pub struct ViewActor {
    hub: Arc<Hub>,
    shared: Arc<SharedView>,
    wired: Arc<Vec<Wired>>,
    /// What the snapshots held when the view was made, by kind.
    floors: BTreeMap<&'static str, u64>,
}

impl ViewActor {
    /// The actor that keeps `shared` and wakes `wired`.
    pub fn new(hub: Arc<Hub>, shared: Arc<SharedView>, wired: Arc<Vec<Wired>>) -> Self {
        Self { hub, shared, wired, floors: BTreeMap::new() }
    }

    fn begin(&mut self, ctx: &mut Ctx<'_, Self>) {
        let hub = self.hub.clone();
        let loaded = async move {
            while !hub.loaded() {
                tokio::time::sleep(LOOK).await;
            }
        };
        ctx.wait(loaded, |actor, (), ctx| {
            let news = actor.hub.firehose.subscribe();
            actor.rebuild();
            actor.follow(news, ctx);
            ctx.ready();
        });
    }

    /// Folds the snapshots into a fresh view and has every controller look at everything.
    fn rebuild(&mut self) {
        let revision = self.hub.applied();
        let mut view = View::default();
        self.floors.clear();
        for kind in KINDS.iter().copied().filter(|k| !k.live) {
            let snapshot = self.hub.snapshot(kind);
            self.floors.insert(kind.resource, snapshot.revision);
            for object in snapshot.list(None, None) {
                view.apply(kind.resource, &Event::new(Change::Added, object.revision, object.clone(), None));
            }
        }
        self.shared.replace(view, revision);
        for wired in self.wired.iter() {
            wired.route.wake_all();
        }
    }

    fn follow(&mut self, mut news: broadcast::Receiver<News>, ctx: &mut Ctx<'_, Self>) {
        let next = async move {
            let heard = news.recv().await;
            (news, heard)
        };
        ctx.spawn(next, |actor, (mut news, heard), ctx| {
            let mut heard = heard;
            loop {
                match heard {
                    Ok(News::Events(events, upto)) => actor.fold(&events, upto),
                    Ok(News::Reset) => {
                        // What is told already is in the snapshots: one look at them for all kinds that begin anew.
                        while news.try_recv().is_ok() {}
                        actor.rebuild();
                    }
                    Err(RecvError::Lagged(_)) => {
                        // Too far behind: what the snapshots hold now is all that counts.
                        news = actor.hub.firehose.subscribe();
                        actor.rebuild();
                    }
                    Err(RecvError::Closed) => return ctx.fail("the feed is gone"),
                }
                match news.try_recv() {
                    Ok(more) => heard = Ok(more),
                    Err(_) => break,
                }
            }
            actor.follow(news, ctx);
        });
    }

    fn fold(&mut self, events: &[(&'static Kind, Arc<Event>)], upto: u64) {
        let mut wakes: Vec<BTreeSet<Key>> = vec![BTreeSet::new(); self.wired.len()];
        {
            let mut view = self.shared.view.write().unwrap_or_else(PoisonError::into_inner);
            for (kind, event) in events {
                if self.floors.get(kind.resource).is_some_and(|floor| event.revision <= *floor) {
                    continue;
                }
                view.apply(kind.resource, event);
                for (wired, keys) in self.wired.iter().zip(&mut wakes) {
                    let watches = wired.controller.watches();
                    if watches.is_empty() || watches.contains(&kind.resource) {
                        keys.extend(wired.controller.keys(&view, kind.resource, event));
                    }
                }
            }
        }
        self.shared.revision.send_if_modified(|r| std::mem::replace(r, upto.max(*r)) < upto);
        for (wired, keys) in self.wired.iter().zip(wakes) {
            if !keys.is_empty() {
                wired.route.wake(keys.into_iter().collect());
            }
        }
    }
}

impl Worker for ViewActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        self.begin(ctx);
    }
    fn handle(&mut self, (): (), _ctx: &mut Ctx<'_, Self>) {}
}
