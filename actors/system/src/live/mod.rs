//! The live kind: actors as API objects, made from the running trees when asked for.
//!
//! An actor's object name is its path with dots for slashes (`root.store.writer`). The trees of
//! the agents are brought here by the NodeActors; deleting an agent's actor goes back to its agent.

mod log;
pub mod usage;

use crate::control::work::Works;
use log::Log;
use podium_machinery::state::{Action, Object, Snapshot, Write, WriteError};
use podium_server::backend::{Expired, Subscription};
use podium_supervision::{NodeStatus, Tree};
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// Kills of agents' actors that may wait for their NodeActor.
const MAX_KILLS: usize = 64;
/// How long a delete waits for the actor's next life.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(5);

/// How often the trees are looked at while somebody watches.
const LOOK_FOR_WATCHERS: Duration = Duration::from_millis(200);
/// The actor that serves requests.
const API: &str = "root/api";
/// How long an answer has to leave before the API is killed.
const ANSWER: Duration = Duration::from_millis(100);

/// An agent as this process sees it.
pub struct AgentTree {
    /// Its actors when it last told.
    pub actors: Vec<NodeStatus>,
    /// Paths of actors to kill.
    pub kills: mpsc::Sender<String>,
}

/// A path, and when the actor there started.
type Life = (String, Option<Timestamp>);

/// The trees; cheap to clone.
#[derive(Clone)]
pub struct LiveActors {
    tree: Tree,
    works: Works,
    agents: Arc<Mutex<BTreeMap<String, AgentTree>>>,
    log: Arc<Mutex<Log>>,
    /// The life that is about to end with the API itself: not shown any more.
    doomed: Arc<Mutex<Option<Life>>>,
    began: Timestamp,
}

impl LiveActors {
    /// Over this process's own tree, and what its controllers did.
    pub fn new(tree: Tree, works: Works) -> Self {
        Self {
            tree,
            works,
            agents: Arc::default(),
            log: Arc::default(),
            doomed: Arc::default(),
            began: Timestamp::now(),
        }
    }
    /// A node's agent joined; the kills asked of it come out of the receiver.
    pub fn join(&self, node: &str) -> mpsc::Receiver<String> {
        let (kills, receiver) = mpsc::channel(MAX_KILLS);
        let mut agents = self.agents();
        let actors = agents.remove(node).map(|a| a.actors).unwrap_or_default();
        agents.insert(node.to_owned(), AgentTree { actors, kills });
        receiver
    }
    /// What a node's agent told of its actors.
    pub fn tell(&self, node: &str, actors: Vec<NodeStatus>) {
        if let Some(agent) = self.agents().get_mut(node) {
            agent.actors = actors;
        }
    }
    /// A node is gone.
    pub fn leave(&self, node: &str) {
        self.agents().remove(node);
    }
    fn agents(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, AgentTree>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every actor as an object.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(self.observe(&mut self.log()))
    }

    /// Events of actors after `since`. While somebody watches, the trees are looked at.
    pub fn watch(&self, since: u64) -> Result<Subscription, Expired> {
        let mut log = self.log();
        let watched = log.watched();
        self.observe(&mut log);
        let subscription = log.subscribe(since)?;
        if !watched {
            let live = self.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LOOK_FOR_WATCHERS).await;
                    let mut log = live.log();
                    if !log.watched() {
                        break;
                    }
                    live.observe(&mut log);
                }
            });
        }
        Ok(subscription)
    }

    fn observe(&self, log: &mut Log) -> Snapshot {
        let own = self.tree.list();
        let doomed = self.doomed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let living = own.iter().filter(|s| doomed.as_ref().is_none_or(|d| (&d.0, d.1) != (&s.path, s.started_at)));
        let mut actors: Vec<Value> = living.map(|status| self.object(None, status)).collect();
        for (node, agent) in self.agents().iter() {
            actors.extend(agent.actors.iter().map(|status| self.object(Some(node), status)));
        }
        log.observe(actors, u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default())
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, node: Option<&str>, status: &NodeStatus) -> Value {
        let path = match node {
            Some(node) => format!("{node}/{}", status.path),
            None => status.path.clone(),
        };
        let mut shown = serde_json::to_value(status).unwrap_or_default();
        if let Some(work) = node.is_none().then(|| self.works.of(&path)).flatten() {
            shown["work"] = work;
        }
        shown["path"] = json!(path);
        shown["process"] = json!(node.unwrap_or("control plane"));
        let began = status.started_at.unwrap_or(self.began);
        let created = began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        // Each life has a uid of its own: a client that deletes an actor sees the old one gone.
        let name = name_of(&path);
        let uid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{name} {began}").as_bytes()).to_string();
        json!({"apiVersion": "supervision.podium.dev/v1alpha1", "kind": "Actor",
            "metadata": {"name": name, "uid": uid, "creationTimestamp": created}, "status": shown})
    }

    /// Deleting an actor kills it; its supervisor decides what follows. Returns once that life is
    /// over, or after [`PATIENCE`].
    pub async fn commit(self, write: Write) -> Result<Arc<Object>, WriteError> {
        let killed = self.kill(&write)?;
        // Its end cannot be waited for from within.
        if serves(killed.value()["status"]["path"].as_str().unwrap_or_default()) {
            return Ok(killed);
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            let now = self.snapshot().get(&killed.key).map(|o| o.uid.clone());
            if now.is_none_or(|uid| uid != killed.uid) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(killed)
    }

    fn kill(&self, write: &Write) -> Result<Arc<Object>, WriteError> {
        if !matches!(write.action, Action::Delete { .. }) {
            return Err(WriteError::Refused("actors are started by their supervisors".to_owned()));
        }
        let object = self.snapshot().get(&Key::new("", &write.key.name)).cloned().ok_or(WriteError::NotFound)?;
        let own = self.tree.list().into_iter().find(|s| name_of(&s.path) == write.key.name);
        if let Some(status) = own {
            if serves(&status.path) {
                // A client that asks whether it is gone must not ask the one that dies.
                let life = (status.path.clone(), status.started_at);
                *self.doomed.lock().unwrap_or_else(PoisonError::into_inner) = Some(life);
                let tree = self.tree.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(ANSWER).await;
                    tree.kill(&status.path);
                });
                return Ok(object);
            }
            return if self.tree.kill(&status.path) { Ok(object) } else { Err(WriteError::NotFound) };
        }
        for (node, agent) in self.agents().iter() {
            let found = agent.actors.iter().find(|s| name_of(&format!("{node}/{}", s.path)) == write.key.name);
            if let Some(status) = found {
                return agent.kills.try_send(status.path.clone()).map(|()| object).map_err(|_| WriteError::Overloaded);
            }
        }
        Err(WriteError::NotFound)
    }
}

/// Whether the answer to this very request goes with the actor: the API or one above it.
fn serves(path: &str) -> bool {
    API.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An actor's object name: lower case, dots between the elements of its path.
fn name_of(path: &str) -> String {
    path.split('/')
        .map(|part| {
            let mapped = part.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
            mapped.collect::<String>().trim_matches('-').to_owned()
        })
        .collect::<Vec<_>>()
        .join(".")
}
