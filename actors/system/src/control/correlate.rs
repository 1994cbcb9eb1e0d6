//! Which events are told as one, and which are too many to be told.
//!
//! As Kubernetes' clients do it: repeats of an event count up, events that differ in their
//! message alone are combined once there are many, and an object of which too much is told
//! has to wait. Pure: times are seconds on any monotonic clock.

use podium_controllers::EventRecord;
use podium_types::Key;
use std::collections::HashMap;

/// Events and groups that are remembered; beyond that all are forgotten.
const MAX_KNOWN: usize = 4096;
/// Events of one reason about one object that stand alone, within [`GROUP_SECONDS`].
const GROUP_LIMIT: u32 = 10;
/// How long events of one reason about one object belong together.
const GROUP_SECONDS: u64 = 600;
/// Events that one component may tell of one object at once, changes of their count included.
const BURST: u64 = 25;
/// Seconds until it may tell one more.
const REFILL_SECONDS: u64 = 300;
/// What the message of combined events begins with.
const COMBINED: &str = "(combined from similar events): ";

/// What to do about an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Telling {
    /// An Event of its own, with this message; to be remembered under this identity.
    New(String, String),
    /// One that is there: its key, its new count, and its new message where that changes.
    Again(Key, u64, Option<String>),
    /// Not at all.
    Nothing,
}

/// Events of one reason about one object.
struct Group {
    since: u64,
    messages: u32,
}

/// How much more may be told of an object.
struct Allowance {
    left: u64,
    refilled: u64,
}

/// What was told lately.
#[derive(Default)]
pub struct Correlator {
    known: HashMap<String, (Key, u64)>,
    groups: HashMap<String, Group>,
    allowances: HashMap<String, Allowance>,
}

impl Correlator {
    /// Whether and how `component` tells an event.
    pub fn judge(&mut self, component: &str, event: &EventRecord, now: u64) -> Telling {
        if [self.known.len(), self.groups.len(), self.allowances.len()].into_iter().any(|len| len >= MAX_KNOWN) {
            *self = Self::default();
        }
        if !self.allowed(format!("{component}/{}", event.uid), now) {
            return Telling::Nothing;
        }
        let alike = format!("{component}/{}/{}/{}", event.uid, event.event_type, event.reason);
        let alone = format!("{alike}/{}", event.message);
        if let Some((key, count)) = self.known.get_mut(&alone) {
            *count += 1;
            return Telling::Again(key.clone(), *count, None);
        }
        let group = self.groups.entry(alike.clone()).or_insert(Group { since: now, messages: 0 });
        if now.saturating_sub(group.since) > GROUP_SECONDS {
            (group.since, group.messages) = (now, 0);
        }
        group.messages = group.messages.saturating_add(1);
        if group.messages <= GROUP_LIMIT {
            return Telling::New(alone, event.message.clone());
        }
        let message = format!("{COMBINED}{}", event.message);
        match self.known.get_mut(&alike) {
            Some((key, count)) => {
                *count += 1;
                Telling::Again(key.clone(), *count, Some(message))
            }
            None => Telling::New(alike, message),
        }
    }
    /// An event was given a key.
    pub fn remember(&mut self, identity: String, key: Key) {
        self.known.insert(identity, (key, 1));
    }

    fn allowed(&mut self, whom: String, now: u64) -> bool {
        let allowance = self.allowances.entry(whom).or_insert(Allowance { left: BURST, refilled: now });
        let more = now.saturating_sub(allowance.refilled) / REFILL_SECONDS;
        allowance.left = allowance.left.saturating_add(more).min(BURST);
        allowance.refilled += more * REFILL_SECONDS;
        let some = allowance.left > 0;
        allowance.left -= u64::from(some);
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(uid: &str, message: &str) -> EventRecord {
        EventRecord {
            api_version: "v1".to_owned(),
            kind: "Pod",
            key: Key::new("default", "web"),
            uid: uid.to_owned(),
            event_type: "Warning",
            reason: "FailedCreate",
            message: message.to_owned(),
        }
    }

    /// Judges and remembers; how it was told.
    fn tell(correlator: &mut Correlator, event: &EventRecord, now: u64) -> String {
        match correlator.judge("c", event, now) {
            Telling::New(identity, message) => {
                correlator.remember(identity, Key::new("default", "event"));
                format!("new: {message}")
            }
            Telling::Again(_, count, message) => format!("{count}: {}", message.unwrap_or_default()),
            Telling::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn repeats_count_and_the_alike_are_combined() {
        let mut correlator = Correlator::default();
        assert_eq!(tell(&mut correlator, &event("1", "a"), 0), "new: a");
        assert_eq!(tell(&mut correlator, &event("1", "a"), 1), "2: ");
        assert_eq!(tell(&mut correlator, &event("2", "a"), 1), "new: a", "another object");
        for number in 1..10 {
            let text = format!("m{number}");
            assert_eq!(tell(&mut correlator, &event("1", &text), 2), format!("new: {text}"));
        }
        assert_eq!(tell(&mut correlator, &event("1", "x"), 3), format!("new: {COMBINED}x"));
        assert_eq!(tell(&mut correlator, &event("1", "y"), 3), format!("2: {COMBINED}y"));
        assert_eq!(tell(&mut correlator, &event("1", "a"), 3), "3: ", "known ones count on");
        assert_eq!(tell(&mut correlator, &event("1", "z"), 3 + GROUP_SECONDS), "new: z", "long ago");
    }

    #[test]
    fn too_much_about_one_object_is_left_out() {
        let mut correlator = Correlator::default();
        let told = |correlator: &mut Correlator, now| tell(correlator, &event("1", "a"), now) != "nothing";
        assert_eq!((0..40).filter(|_| told(&mut correlator, 0)).count() as u64, BURST);
        assert!(!told(&mut correlator, REFILL_SECONDS - 1));
        assert!(told(&mut correlator, REFILL_SECONDS));
        assert!(!told(&mut correlator, REFILL_SECONDS));
        assert_eq!(tell(&mut correlator, &event("2", "a"), 0), "new: a", "another object");
    }
}
