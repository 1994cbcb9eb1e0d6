//! The way from an event to the actors that decide about it.

use super::controller::{ControllerHandle, ControllerMsg};
use podium_types::Key;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// Whether an actor could not be told something: then it must look at everything.
#[derive(Clone, Default)]
pub struct Missed(Arc<AtomicBool>);

impl Missed {
    /// Whether anything was missed until now.
    pub fn take(&self) -> bool {
        self.0.swap(false, SeqCst)
    }
}

/// The way to one actor.
#[derive(Clone, Default)]
pub struct Line {
    /// Its mailbox.
    pub handle: ControllerHandle,
    /// What the mailbox had no room for.
    pub missed: Missed,
}

impl Line {
    /// Tells the actor; what its mailbox has no room for it finds by itself, since it looks at everything after one of
    /// the messages that fill it, or in its next life.
    fn tell(&self, msg: ControllerMsg) {
        if self.handle.tell(msg).is_err() {
            self.missed.0.store(true, SeqCst);
            // It may have come to the end of its mailbox just before.
            let _ = self.handle.tell(ControllerMsg::Wake(Vec::new()));
        }
    }
}

/// Who decides the keys of a controller.
#[derive(Clone)]
pub enum Route {
    /// One actor decides all keys.
    One(Line),
    /// An actor per key (a NodeActor per Node); keys without one have nobody who cares.
    PerKey(PerKey),
}

/// Actors by the key that they decide.
#[derive(Clone, Default)]
pub struct PerKey(Arc<Mutex<BTreeMap<Key, Line>>>);

impl PerKey {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The way to a key's actor, made if it is new.
    pub fn join(&self, key: &Key) -> Line {
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
    /// Wakes keys.
    pub fn wake(&self, keys: Vec<Key>) {
        match self {
            Self::One(line) => line.tell(ControllerMsg::Wake(keys)),
            Self::PerKey(actors) => {
                let actors = actors.lock();
                for (key, line) in keys.iter().filter_map(|k| Some((k, actors.get(k)?))) {
                    line.tell(ControllerMsg::Wake(vec![key.clone()]));
                }
            }
        }
    }
    /// Wakes every key.
    pub fn wake_all(&self) {
        match self {
            Self::One(line) => line.tell(ControllerMsg::WakeAll),
            Self::PerKey(actors) => actors.lock().values().for_each(|line| line.tell(ControllerMsg::WakeAll)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_is_not_lost() {
        let actors = PerKey::default();
        let key = Key::new("", "a");
        let lines = [Line::default(), actors.join(&key)];
        for (route, line) in [Route::One(lines[0].clone()), Route::PerKey(actors)].iter().zip(&lines) {
            for wake in [|route: &Route| route.wake(vec![Key::new("", "a")]), |route: &Route| route.wake_all()] {
                assert!(!line.missed.take());
                // Nobody is there to be told.
                wake(route);
                assert!(line.missed.take());
            }
        }
    }
}
