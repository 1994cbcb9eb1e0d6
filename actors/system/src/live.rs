//! The live kind: actors as API objects, made from the running trees when asked for.
//!
//! An actor's object name is its path with dots for slashes (`root.store.writer`). The trees of
//! the agents are brought here by the NodeActors; deleting an agent's actor goes back to its agent.

use podium_machinery::state::{Action, Object, Snapshot, Write, WriteError};
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

/// An agent as this process sees it.
pub struct AgentTree {
    /// Its actors when it last told.
    pub actors: Vec<NodeStatus>,
    /// Paths of actors to kill.
    pub kills: mpsc::Sender<String>,
}

/// The trees; cheap to clone.
#[derive(Clone)]
pub struct LiveActors {
    tree: Tree,
    agents: Arc<Mutex<BTreeMap<String, AgentTree>>>,
    began: Timestamp,
}

impl LiveActors {
    /// Over this process's own tree.
    pub fn new(tree: Tree) -> Self {
        Self { tree, agents: Arc::default(), began: Timestamp::now() }
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
    pub fn snapshot(&self, revision: u64) -> Arc<Snapshot> {
        let mut snapshot = Snapshot { revision, ..Snapshot::default() };
        let mut put = |node: Option<&str>, status: &NodeStatus| {
            let object = self.object(node, status);
            let key = podium_types::meta::key(&object);
            let uid = podium_types::meta::uid(&object).to_owned();
            let text = podium_types::canonical::encode(&object);
            let object = Object::new(key.clone(), uid, revision, BTreeMap::new(), &text);
            snapshot.objects.insert_mut(key, Arc::new(object));
        };
        self.tree.list().iter().for_each(|status| put(None, status));
        for (node, agent) in self.agents().iter() {
            agent.actors.iter().for_each(|status| put(Some(node), status));
        }
        Arc::new(snapshot)
    }

    fn object(&self, node: Option<&str>, status: &NodeStatus) -> Value {
        let path = match node {
            Some(node) => format!("{node}/{}", status.path),
            None => status.path.clone(),
        };
        let mut shown = serde_json::to_value(status).unwrap_or_default();
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
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            let now = self.snapshot(0).get(&killed.key).map(|o| o.uid.clone());
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
        let object = self.snapshot(0).get(&Key::new("", &write.key.name)).cloned().ok_or(WriteError::NotFound)?;
        let own = self.tree.list().into_iter().find(|s| name_of(&s.path) == write.key.name);
        if let Some(status) = own {
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
