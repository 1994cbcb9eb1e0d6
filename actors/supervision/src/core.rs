//! The supervisor's decisions, as a state machine without clock or I/O.
//!
//! Times are milliseconds on any monotonic clock. Back-off doubles from [`BACKOFF_BASE`] to
//! [`BACKOFF_CAP`] with jitter, and is forgotten once a child has been stable for
//! [`STABLE_AFTER`].

use crate::spec::{Intensity, Restart, Strategy};
use std::collections::VecDeque;

/// Delay before the first restart, in milliseconds.
pub const BACKOFF_BASE: u64 = 10;
/// Longest delay between restarts, in milliseconds.
pub const BACKOFF_CAP: u64 = 5_000;
/// A child that has run so long has its back-off forgotten, in milliseconds.
pub const STABLE_AFTER: u64 = 60_000;

/// A child's number; never used twice by one supervisor.
pub type ChildId = u64;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A child was added.
    Add(ChildId, Restart),
    /// A child is to end and be forgotten.
    Remove(ChildId),
    /// A started child is ready for work.
    Ready(ChildId),
    /// A child ended.
    Exited(ChildId, Ending),
    /// Time passed.
    Tick,
    /// Stop all children, last started first.
    Shutdown,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it meant to.
    Normal,
    /// Panic, error or kill.
    Abnormal,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Build and start the child.
    Start(ChildId),
    /// Ask the child to stop, and drop it at its deadline.
    Stop(ChildId),
    /// The child is no more.
    Forget(ChildId),
    /// Send a [`Event::Tick`] at that time.
    Wake(u64),
    /// This child failed too often: fail, so that the parent decides.
    Escalate(ChildId),
    /// Shutdown is complete.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down { not_before: u64 },
    Starting,
    Up,
    Stopping,
    Ended,
}

#[derive(Debug)]
struct Child {
    id: ChildId,
    restart: Restart,
    state: State,
    removed: bool,
    started: u64,
    failures: u32,
    restarts: VecDeque<u64>,
}

/// The state machine.
#[derive(Debug)]
pub struct Core {
    strategy: Strategy,
    intensity: Intensity,
    children: Vec<Child>,
    shutdown: bool,
    seed: u64,
}

impl Core {
    /// A supervisor without children; `seed` makes the jitter.
    pub fn new(strategy: Strategy, intensity: Intensity, seed: u64) -> Self {
        Self { strategy, intensity, children: Vec::new(), shutdown: false, seed }
    }

    /// Takes one event and says what to do.
    pub fn step(&mut self, event: Event, now: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Add(id, restart) => self.children.push(Child {
                id,
                restart,
                state: State::Down { not_before: now },
                removed: false,
                started: now,
                failures: 0,
                restarts: VecDeque::new(),
            }),
            Event::Remove(id) => self.remove(id, &mut actions),
            Event::Ready(id) => {
                if let Some(child) = self.child(id)
                    && child.state == State::Starting
                {
                    child.state = State::Up;
                }
            }
            Event::Exited(id, ending) => self.exited(id, ending, now, &mut actions),
            Event::Tick => {}
            Event::Shutdown => self.shutdown = true,
        }
        self.advance(now, &mut actions);
        actions
    }

    fn child(&mut self, id: ChildId) -> Option<&mut Child> {
        self.children.iter_mut().find(|c| c.id == id)
    }

    fn remove(&mut self, id: ChildId, actions: &mut Vec<Action>) {
        let Some(child) = self.child(id) else { return };
        child.removed = true;
        match child.state {
            State::Starting | State::Up => {
                child.state = State::Stopping;
                actions.push(Action::Stop(id));
            }
            State::Down { .. } => child.state = State::Ended,
            State::Stopping | State::Ended => {}
        }
    }

    fn exited(&mut self, id: ChildId, ending: Ending, now: u64, actions: &mut Vec<Action>) {
        let seed = self.next_seed();
        let (limit, within) = (self.intensity.restarts, self.intensity.within.as_millis() as u64);
        let shutdown = self.shutdown;
        let Some(at) = self.children.iter().position(|c| c.id == id) else { return };
        let child = &mut self.children[at];
        if child.removed || shutdown {
            child.state = State::Ended;
            return;
        }
        if child.state == State::Stopping {
            child.state = State::Down { not_before: now };
            return;
        }
        let again = match child.restart {
            Restart::Permanent => true,
            Restart::Transient => ending == Ending::Abnormal,
            Restart::Temporary => false,
        };
        if !again {
            child.state = State::Ended;
            child.removed = true;
            return;
        }
        if now.saturating_sub(child.started) >= STABLE_AFTER {
            child.failures = 0;
        }
        child.restarts.push_back(now);
        while child.restarts.front().is_some_and(|t| now - t > within) || child.restarts.len() > 1_000 {
            child.restarts.pop_front();
        }
        if child.restarts.len() > limit {
            actions.push(Action::Escalate(id));
        }
        child.state = State::Down { not_before: now + backoff(child.failures, seed) };
        child.failures = child.failures.saturating_add(1);
        self.stop_others(at, actions);
    }

    /// Stops the siblings that the strategy ties to child `at`, last started first.
    fn stop_others(&mut self, at: usize, actions: &mut Vec<Action>) {
        let first = match self.strategy {
            Strategy::OneForOne => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne => at + 1,
        };
        for child in self.children[first..].iter_mut().rev() {
            if matches!(child.state, State::Up | State::Starting) {
                child.state = State::Stopping;
                actions.push(Action::Stop(child.id));
            }
        }
    }

    fn advance(&mut self, now: u64, actions: &mut Vec<Action>) {
        self.children.retain(|c| {
            let gone = c.state == State::Ended && c.removed;
            if gone {
                actions.push(Action::Forget(c.id));
            }
            !gone
        });
        if self.shutdown {
            return self.wind_down(actions);
        }
        let ordered = self.strategy != Strategy::OneForOne;
        if ordered && self.children.iter().any(|c| c.state == State::Stopping) {
            return;
        }
        let mut wake = None::<u64>;
        for child in &mut self.children {
            match child.state {
                State::Down { not_before } if not_before <= now => {
                    child.state = State::Starting;
                    child.started = now;
                    actions.push(Action::Start(child.id));
                }
                State::Down { not_before } => wake = Some(wake.map_or(not_before, |w| w.min(not_before))),
                State::Starting | State::Up | State::Stopping | State::Ended => {}
            }
            if ordered && !matches!(child.state, State::Up | State::Ended) {
                break;
            }
        }
        actions.extend(wake.map(Action::Wake));
    }

    fn wind_down(&mut self, actions: &mut Vec<Action>) {
        for child in self.children.iter_mut().rev() {
            match child.state {
                State::Down { .. } => child.state = State::Ended,
                State::Up | State::Starting => {
                    child.state = State::Stopping;
                    actions.push(Action::Stop(child.id));
                    return;
                }
                State::Stopping => return,
                State::Ended => {}
            }
        }
        actions.push(Action::Done);
    }

    fn next_seed(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }
}

fn backoff(failures: u32, seed: u64) -> u64 {
    let full = BACKOFF_BASE.saturating_mul(1 << failures.min(20)).min(BACKOFF_CAP);
    full / 2 + seed % (full / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::*;

    fn core(strategy: Strategy, children: u64) -> Core {
        let mut core = Core::new(strategy, Intensity { restarts: 2, within: std::time::Duration::from_secs(1) }, 1);
        for id in 0..children {
            core.step(Event::Add(id, Restart::Permanent), 0);
            core.step(Event::Ready(id), 0);
        }
        core
    }
    fn starts(actions: &[Action]) -> Vec<u64> {
        actions.iter().filter_map(|a| if let Start(id) = a { Some(*id) } else { None }).collect()
    }

    #[test]
    fn one_for_one_restarts_only_the_child_after_its_backoff() {
        let mut core = core(Strategy::OneForOne, 3);
        let actions = core.step(Event::Exited(1, Ending::Abnormal), 100);
        let [Wake(at)] = actions[..] else { panic!("{actions:?}") };
        assert!((105..=110).contains(&at));
        assert_eq!(core.step(Event::Tick, at), [Start(1)]);
    }

    #[test]
    fn rest_for_one_stops_later_siblings_in_reverse_and_starts_in_order() {
        let mut core = core(Strategy::RestForOne, 3);
        assert_eq!(core.step(Event::Exited(0, Ending::Abnormal), 0), [Stop(2), Stop(1)]);
        assert_eq!(core.step(Event::Exited(2, Ending::Normal), 1), []);
        core.step(Event::Exited(1, Ending::Normal), 1);
        assert_eq!(core.step(Event::Tick, 20), [Start(0)]);
        assert_eq!(core.step(Event::Ready(0), 21), [Start(1)]);
        assert_eq!(core.step(Event::Ready(1), 22), [Start(2)]);
    }

    #[test]
    fn one_for_all_restarts_everyone() {
        let mut core = core(Strategy::OneForAll, 2);
        assert_eq!(core.step(Event::Exited(1, Ending::Abnormal), 0), [Stop(0)]);
        assert_eq!(starts(&core.step(Event::Exited(0, Ending::Normal), 1)), [0]);
        assert_eq!(starts(&core.step(Event::Ready(0), 20)), [1]);
    }

    #[test]
    fn transient_and_temporary_children_are_forgotten_when_done() {
        let mut core = Core::new(Strategy::OneForOne, Intensity::default(), 1);
        core.step(Event::Add(1, Restart::Transient), 0);
        core.step(Event::Add(2, Restart::Temporary), 0);
        assert_eq!(core.step(Event::Exited(1, Ending::Normal), 0), [Forget(1)]);
        assert_eq!(core.step(Event::Exited(2, Ending::Abnormal), 0), [Forget(2)]);
    }

    #[test]
    fn too_many_restarts_escalate() {
        let mut core = core(Strategy::OneForOne, 1);
        let mut escalated = 0;
        for round in 0..3 {
            escalated += core.step(Event::Exited(0, Ending::Abnormal), round * 100).contains(&Escalate(0)) as u32;
            core.step(Event::Tick, round * 100 + 60);
            core.step(Event::Ready(0), round * 100 + 60);
        }
        assert_eq!(escalated, 1);
    }

    #[test]
    fn backoff_grows_to_its_cap_and_is_forgotten_after_stable_time() {
        let mut core = Core::new(Strategy::OneForOne, Intensity::patient(), 7);
        core.step(Event::Add(0, Restart::Permanent), 0);
        let mut now = 0;
        let mut last = 0;
        for _ in 0..12 {
            let actions = core.step(Event::Exited(0, Ending::Abnormal), now);
            let Some(Wake(at)) = actions.last() else { panic!("{actions:?}") };
            last = at - now;
            now = *at;
            core.step(Event::Tick, now);
        }
        assert!((BACKOFF_CAP / 2..=BACKOFF_CAP).contains(&last));
        now += STABLE_AFTER;
        let actions = core.step(Event::Exited(0, Ending::Abnormal), now);
        assert!(matches!(actions[..], [Wake(at)] if at - now <= BACKOFF_BASE));
    }

    #[test]
    fn shutdown_stops_in_reverse_one_after_the_other() {
        let mut core = core(Strategy::OneForOne, 2);
        assert_eq!(core.step(Event::Shutdown, 0), [Stop(1)]);
        assert_eq!(core.step(Event::Exited(1, Ending::Normal), 0), [Stop(0)]);
        assert_eq!(core.step(Event::Exited(0, Ending::Normal), 0), [Done]);
    }

    #[test]
    fn a_removed_child_is_stopped_and_forgotten() {
        let mut core = core(Strategy::OneForOne, 1);
        assert_eq!(core.step(Event::Remove(0), 0), [Stop(0)]);
        assert_eq!(core.step(Event::Exited(0, Ending::Abnormal), 0), [Forget(0)]);
    }
}
