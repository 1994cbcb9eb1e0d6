//! Supervisors: actors that start, watch, rebuild and stop their children.
//!
//! The decisions are [`core`](crate::core)'s; this file performs them. The children that should
//! exist are held outside the supervisor's state, so that a supervisor that is itself rebuilt
//! brings its children back.

use crate::{
    cell::{Cell, Exit},
    core::{Action, ChildId, Core, Ending, Event},
    guardian,
    handle::Handle,
    panic,
    spec::{ChildSpec, Intensity, Placement, Strategy},
    tree::Tree,
    worker::{Ctx, Farewell, Worker},
};
use futures_util::FutureExt;
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How long a child's last word waits for its supervisor.
const EXIT_PATIENCE: Duration = Duration::from_secs(30);

static NEXT_CHILD: AtomicU64 = AtomicU64::new(1);

/// What a supervisor hears.
pub enum SupervisorMsg {
    /// The children that should exist changed.
    Sync,
    /// A child is ready.
    Ready(ChildId),
    /// A child ended.
    Exited(ChildId, Exit),
    /// Time passed.
    Tick,
}

struct Child {
    spec: ChildSpec,
    cell: Option<Arc<Cell>>,
}

/// The actor.
pub struct Supervisor {
    tree: Tree,
    me: SupervisorHandle,
    core: Core,
    children: BTreeMap<ChildId, Child>,
    epoch: Instant,
    path: String,
    last_exit: String,
    draining: bool,
}

/// Adds and removes a supervisor's children, whichever life it is in.
#[derive(Clone)]
pub struct SupervisorHandle {
    handle: Handle<Supervisor>,
    wanted: Arc<Mutex<Vec<ChildSpec>>>,
}

impl SupervisorHandle {
    /// A supervisor that is yet to be started, with its first children in order of start.
    pub fn new(children: Vec<ChildSpec>) -> Self {
        Self { handle: Handle::new(), wanted: Arc::new(Mutex::new(children)) }
    }
    /// Adds a child; one of that name is left as it is. True where it was new.
    pub fn add(&self, spec: ChildSpec) -> bool {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let new = wanted.iter().all(|w| w.name != spec.name);
        if new {
            wanted.push(spec);
        }
        drop(wanted);
        // A full mailbox holds messages after which the supervisor looks at the list anyway.
        let _ = self.handle.tell(SupervisorMsg::Sync);
        new
    }
    /// Stops a child and forgets it.
    pub fn remove(&self, name: &str) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).retain(|w| w.name != name);
        let _ = self.handle.tell(SupervisorMsg::Sync);
    }
    /// Names of the children that should exist.
    pub fn names(&self) -> Vec<String> {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.iter().map(|w| w.name.clone()).collect()
    }
    fn wanted(&self) -> Vec<ChildSpec> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn done(&self, name: &str) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).retain(|w| w.name != name);
    }
    /// This supervisor as a child of another.
    pub fn spec(&self, name: impl Into<String>, tree: &Tree, strategy: Strategy, intensity: Intensity) -> ChildSpec {
        let (me, tree) = (self.clone(), tree.clone());
        let mut spec =
            guardian::child(name, &self.handle, move || Supervisor::new(tree.clone(), me.clone(), strategy, intensity));
        spec.strategy = Some(strategy);
        spec.shutdown = Duration::from_secs(30);
        spec
    }
}

impl Supervisor {
    fn new(tree: Tree, me: SupervisorHandle, strategy: Strategy, intensity: Intensity) -> Self {
        let seed = NEXT_CHILD.fetch_add(1, Relaxed);
        Self {
            tree,
            me,
            core: Core::new(strategy, intensity, seed),
            children: BTreeMap::new(),
            epoch: Instant::now(),
            path: String::new(),
            last_exit: String::new(),
            draining: false,
        }
    }

    fn feed(&mut self, event: Event, ctx: &mut Ctx<'_, Self>) {
        let now = self.epoch.elapsed().as_millis() as u64;
        for action in self.core.step(event, now) {
            self.perform(action, now, ctx);
        }
    }

    fn perform(&mut self, action: Action, now: u64, ctx: &mut Ctx<'_, Self>) {
        match action {
            Action::Start(id) => self.start(id),
            Action::Stop(id) => self.stop(id, ctx),
            Action::Forget(id) => {
                if let Some(child) = self.children.remove(&id) {
                    self.tree.forget(&self.child_path(&child.spec));
                    // Ended for good; a child of the same name may be wanted again.
                    self.me.done(&child.spec.name);
                }
            }
            Action::Wake(at) => {
                ctx.later(Duration::from_millis(at.saturating_sub(now)), |s, ctx| s.feed(Event::Tick, ctx));
            }
            Action::Escalate(id) => {
                let name = self.children.get(&id).map_or("", |c| c.spec.name.as_str());
                ctx.fail(format!("{name} failed too often, last: {}", self.last_exit));
            }
            Action::Done => ctx.stop(),
        }
    }

    fn child_path(&self, spec: &ChildSpec) -> String {
        format!("{}/{}", self.path, spec.name)
    }

    fn start(&mut self, id: ChildId) {
        let Some(spec) = self.children.get(&id).map(|c| c.spec.clone()) else { return };
        let node = self.tree.node(&self.child_path(&spec), &spec);
        let handle = self.me.handle.clone();
        let on_ready = handle.clone();
        let cell = Cell::new(
            node,
            Box::new(move || {
                let handle = on_ready.clone();
                actix_rt::spawn(async move { handle.send(SupervisorMsg::Ready(id), EXIT_PATIENCE).await });
            }),
        );
        cell.node.born(&cell);
        if let Some(child) = self.children.get_mut(&id) {
            child.cell = Some(cell.clone());
        }
        let own = spec.placement == Placement::Own;
        let live = move || {
            actix_rt::spawn(async move {
                let exit = match AssertUnwindSafe(async { (spec.start)(cell.clone()).await }).catch_unwind().await {
                    Ok(exit) => exit,
                    Err(payload) => Exit::Panicked(guardian::report(payload.as_ref())),
                };
                cell.node.died(&exit);
                drop(cell);
                let _ = handle.send(SupervisorMsg::Exited(id, exit), EXIT_PATIENCE).await;
                if own {
                    actix_rt::Arbiter::current().stop();
                }
            });
        };
        if own {
            actix_rt::Arbiter::new().spawn_fn(live);
        } else {
            live();
        }
    }

    fn stop(&mut self, id: ChildId, ctx: &mut Ctx<'_, Self>) {
        let Some(child) = self.children.get(&id) else { return };
        let Some(cell) = child.cell.clone() else { return };
        cell.node.phase("Stopping");
        cell.stop();
        ctx.later(child.spec.shutdown, move |_, _| cell.kill());
    }

    /// Brings the children in line with those wanted.
    fn sync(&mut self, ctx: &mut Ctx<'_, Self>) {
        if self.draining {
            return;
        }
        let wanted = self.me.wanted();
        let gone: Vec<ChildId> = self
            .children
            .iter()
            .filter(|(_, c)| wanted.iter().all(|w| !Arc::ptr_eq(&w.start, &c.spec.start)))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.feed(Event::Remove(id), ctx);
        }
        for spec in wanted {
            // A namesake that is still stopping goes first; its end leads here again.
            if self.children.values().all(|c| c.spec.name != spec.name) {
                let id = NEXT_CHILD.fetch_add(1, Relaxed);
                let restart = spec.restart;
                self.children.insert(id, Child { spec, cell: None });
                self.feed(Event::Add(id, restart), ctx);
            }
        }
    }
}

impl Drop for Supervisor {
    /// Children never outlive their supervisor: its next life starts them anew.
    fn drop(&mut self) {
        for cell in self.children.values().filter_map(|c| c.cell.as_ref()) {
            cell.kill();
        }
    }
}

impl Worker for Supervisor {
    type Msg = SupervisorMsg;
    const CAPACITY: usize = 4096;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        self.path = ctx.path().to_owned();
        self.sync(ctx);
        ctx.ready();
    }

    fn handle(&mut self, msg: SupervisorMsg, ctx: &mut Ctx<'_, Self>) {
        match msg {
            SupervisorMsg::Sync | SupervisorMsg::Tick => self.sync(ctx),
            SupervisorMsg::Ready(id) => self.feed(Event::Ready(id), ctx),
            SupervisorMsg::Exited(id, exit) => {
                if let Some(child) = self.children.get_mut(&id) {
                    child.cell = None;
                    self.last_exit = exit.to_string();
                    if exit != Exit::Normal {
                        let actor = self.child_path(&self.children[&id].spec);
                        tracing::warn!(actor, %exit, "actor ended");
                    }
                }
                let ending = if exit == Exit::Normal { Ending::Normal } else { Ending::Abnormal };
                self.feed(Event::Exited(id, ending), ctx);
                self.sync(ctx);
            }
        }
    }

    fn stopping(&mut self, ctx: &mut Ctx<'_, Self>) -> Farewell {
        self.draining = true;
        self.feed(Event::Shutdown, ctx);
        Farewell::Later
    }
}

/// The root of a process's tree.
pub struct Root {
    /// The tree, for introspection.
    pub tree: Tree,
    top: SupervisorHandle,
    cell: Arc<Cell>,
    spec: ChildSpec,
}

impl Root {
    /// A root supervisor of that name over `children`. Installs the panic hook.
    pub fn new(name: &str, tree: &Tree, strategy: Strategy, intensity: Intensity, children: Vec<ChildSpec>) -> Self {
        panic::install_hook();
        let top = SupervisorHandle::new(children);
        let spec = top.spec(name, tree, strategy, intensity);
        let node = tree.node(name, &spec);
        let cell = Cell::new(node, Box::new(|| {}));
        Self { tree: tree.clone(), top, cell, spec }
    }
    /// The root supervisor's handle.
    pub fn supervisor(&self) -> SupervisorHandle {
        self.top.clone()
    }
    /// Runs until `shutdown` resolves and every child has stopped, or until the root gives up:
    /// then the process is to exit and be started again.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Exit {
        self.cell.node.born(&self.cell);
        let mut life = (self.spec.start)(self.cell.clone());
        tokio::select! {
            exit = &mut life => return exit,
            () = shutdown => self.cell.stop(),
        }
        let limit = self.spec.shutdown;
        tokio::time::timeout(limit, life).await.unwrap_or(Exit::Killed)
    }
}
