//! The way from an event to the actors that decide about it.

use super::controller::{ControllerHandle, ControllerMsg};
use podium_types::Key;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Who decides the keys of a controller.
#[derive(Clone)]
pub enum Route {
    /// One actor decides all keys.
    One(ControllerHandle),
    /// An actor per key (a NodeActor per Node); keys without one have nobody who cares.
    PerKey(PerKey),
}

/// Actors by the key that they decide.
#[derive(Clone, Default)]
pub struct PerKey(Arc<Mutex<BTreeMap<Key, ControllerHandle>>>);

impl PerKey {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, ControllerHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The handle of a key's actor, made if it is new.
    pub fn join(&self, key: &Key) -> ControllerHandle {
        self.lock().entry(key.clone()).or_default().clone()
    }
    /// A key is no more.
    pub fn leave(&self, key: &Key) {
        self.lock().remove(key);
    }
    /// Every key with an actor.
    pub fn keys(&self) -> Vec<Key> {
        self.lock().keys().cloned().collect()
    }
}

impl Route {
    /// Wakes keys. An actor that cannot be told looks at everything in its next life.
    pub fn wake(&self, keys: Vec<Key>) {
        match self {
            Self::One(handle) => {
                if handle.tell(ControllerMsg::Wake(keys)).is_err() {
                    let _ = handle.tell(ControllerMsg::WakeAll);
                }
            }
            Self::PerKey(actors) => {
                let actors = actors.lock();
                for (key, handle) in keys.iter().filter_map(|k| Some((k, actors.get(k)?))) {
                    let _ = handle.tell(ControllerMsg::Wake(vec![key.clone()]));
                }
            }
        }
    }
    /// Wakes every key.
    pub fn wake_all(&self) {
        match self {
            Self::One(handle) => drop(handle.tell(ControllerMsg::WakeAll)),
            Self::PerKey(actors) => {
                for handle in actors.lock().values() {
                    let _ = handle.tell(ControllerMsg::WakeAll);
                }
            }
        }
    }
}
