//! What controllers did lately, for `kubectl describe actor` and `/metrics`.

use super::histogram::{Histogram, Scale};
use podium_controllers::Plan;
use podium_types::{Key, Timestamp};
use serde::Serialize;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Keys whose last decision is kept.
const MAX_NOTES: usize = 64;
/// Microseconds in a second.
const MICROS: f64 = 1e6;

/// The last decision that did something for a key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// `default/web`
    pub key: String,
    /// What was decided and why.
    pub decision: String,
    /// When.
    pub time: String,
}

/// What a controller has to do and did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// Keys that wait.
    pub depth: usize,
    /// Keys at work.
    pub busy: usize,
    /// Times that a key began to wait.
    pub adds: u64,
    /// Times that a key was put off because its plan had not been carried out.
    pub retries: u64,
    /// Decisions taken.
    pub decisions: u64,
    /// Plans that could not be carried out whole.
    pub errors: u64,
    /// Last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Mean time from a decision to its last write, in microseconds.
    pub reconcile_micros: u64,
    /// The last decisions that did something, one per key, newest last.
    pub notes: VecDeque<Note>,
    /// Since when each key at work is.
    #[serde(skip)]
    pub begun: BTreeMap<Key, Instant>,
    /// How long keys waited.
    #[serde(skip)]
    pub waited: Histogram,
    /// How long deciding and writing took.
    #[serde(skip)]
    pub worked: Histogram,
    /// Time per attempt of the decisions that count them, by who attempted and how it ended.
    #[serde(skip)]
    pub attempts: BTreeMap<(String, &'static str), Histogram>,
}

impl Default for Work {
    fn default() -> Self {
        let (waited, worked) = (Histogram::new(Scale::QUEUE), Histogram::new(Scale::QUEUE));
        Self {
            depth: 0,
            busy: 0,
            adds: 0,
            retries: 0,
            decisions: 0,
            errors: 0,
            last_error: None,
            reconcile_micros: 0,
            notes: VecDeque::new(),
            begun: BTreeMap::new(),
            waited,
            worked,
            attempts: BTreeMap::new(),
        }
    }
}

impl Work {
    /// A key's turn has come, for which it waited so long.
    pub fn begin(&mut self, key: &Key, waited: Duration) {
        self.waited.observe(waited.as_secs_f64(), 1);
        self.begun.insert(key.clone(), Instant::now());
    }
    /// How long each key at work has been so, in seconds.
    pub fn running(&self) -> impl Iterator<Item = f64> {
        self.begun.values().map(|begun| begun.elapsed().as_secs_f64())
    }
    /// A key was decided, which took so long.
    pub fn decided(&mut self, key: &Key, plan: &Plan, now: Timestamp, took: Duration) {
        self.decisions += 1;
        let attempts: u64 = plan.attempts.values().sum();
        for (what, count) in &plan.attempts {
            let seen = self.attempts.entry(what.clone()).or_insert_with(|| Histogram::new(Scale::ATTEMPT));
            seen.observe(took.as_secs_f64() / attempts.max(1) as f64, *count);
        }
        if plan.writes.is_empty() {
            return;
        }
        let decision = if plan.note.is_empty() { format!("{} writes", plan.writes.len()) } else { plan.note.clone() };
        let (key, time) = (key.to_string(), now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        self.notes.retain(|note| note.key != key);
        self.notes.push_back(Note { key, decision, time });
        if self.notes.len() > MAX_NOTES {
            self.notes.pop_front();
        }
    }
    /// A plan was carried out, or refused; it took so long from its decision on.
    pub fn done(&mut self, key: &Key, took: Duration, refused: Option<&str>) {
        self.begun.remove(key);
        self.worked.observe(took.as_secs_f64(), 1);
        self.reconcile_micros = (self.worked.mean() * MICROS) as u64;
        if let Some(why) = refused {
            self.errors += 1;
            self.last_error = Some(format!("{key}: {why}"));
        }
    }
}

/// Shared by the one who works with those who look.
#[derive(Clone, Default)]
pub struct SharedWork(Arc<Mutex<Work>>);

impl SharedWork {
    /// The work itself.
    pub fn lock(&self) -> MutexGuard<'_, Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose work it is: the controller's name, and where it stands.
struct Entry {
    controller: &'static str,
    work: SharedWork,
}

/// The work of every controller, by the path of its actor.
#[derive(Clone, Default)]
pub struct Works(Arc<Mutex<BTreeMap<String, Entry>>>);

impl Works {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The work of the actor at `path`, made if it is new.
    pub fn join(&self, path: &str, controller: &'static str) -> SharedWork {
        let mut entries = self.entries();
        let entry = entries.entry(path.to_owned()).or_insert_with(|| Entry { controller, work: SharedWork::default() });
        entry.work.clone()
    }
    /// The actor at `path` is no more.
    pub fn leave(&self, path: &str) {
        self.entries().remove(path);
    }
    /// What the actor at `path` does, if it is a controller's.
    pub fn of(&self, path: &str) -> Option<serde_json::Value> {
        let work = self.entries().get(path)?.work.clone();
        serde_json::to_value(&*work.lock()).ok()
    }
    /// By controller; the work of several actors of one is added up.
    pub fn sums(&self) -> BTreeMap<&'static str, Work> {
        let mut sums: BTreeMap<&'static str, Work> = BTreeMap::new();
        for entry in self.entries().values() {
            let sum = sums.entry(entry.controller).or_default();
            let work = entry.work.lock();
            sum.depth += work.depth;
            sum.busy += work.busy;
            sum.adds += work.adds;
            sum.retries += work.retries;
            sum.decisions += work.decisions;
            sum.errors += work.errors;
            // Keys of several actors of one controller are different ones.
            sum.begun.extend(work.begun.iter().map(|(key, begun)| (key.clone(), *begun)));
            sum.waited.merge(&work.waited);
            sum.worked.merge(&work.worked);
            for (what, seen) in &work.attempts {
                sum.attempts.entry(what.clone()).or_insert_with(|| Histogram::new(Scale::ATTEMPT)).merge(seen);
            }
        }
        sums
    }
}
