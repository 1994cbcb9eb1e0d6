//! How often pods that wait were looked at in vain: in no event, so it is put in by who looked.

use super::View;
use crate::{pods, resource};
use podium_types::Timestamp;
use std::collections::BTreeMap;

/// The vain attempts to place a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How many there were.
    pub count: u32,
    /// The newest of the view's moves that the last one knew.
    pub seen: u64,
    /// When the last one was.
    pub at: Timestamp,
}

impl View {
    /// The vain attempts to place the pod of that uid; forgotten once it has a node.
    pub fn attempt(&self, uid: &str) -> Option<&Attempt> {
        self.attempts.get(uid)
    }
    /// Notes vain attempts: the uids of the pods, and which of the view's moves they knew.
    pub fn tried(&mut self, tried: &BTreeMap<String, u64>, at: Timestamp) {
        for (uid, seen) in tried {
            if !self.waits(uid) {
                continue;
            }
            let count = self.attempt(uid).map_or(0, |attempt| attempt.count).saturating_add(1);
            self.attempts.insert_mut(uid.clone(), Attempt { count, seen: *seen, at });
        }
    }
    /// Takes over what is in no event from the view that this one replaces.
    pub fn inherit(&mut self, old: &View) {
        self.usage = old.usage.clone();
        self.since = old.since.or(self.since);
        for (uid, attempt) in &old.attempts {
            if self.waits(uid) {
                self.attempts.insert_mut(uid.clone(), *attempt);
            }
        }
    }

    fn waits(&self, uid: &str) -> bool {
        let header = self.by_uid(uid).filter(|header| header.resource == resource::PODS);
        let pod = header.and_then(|header| self.pods.get(header.key()));
        pod.is_some_and(|pod| pods::node(pod).is_none())
    }
}
