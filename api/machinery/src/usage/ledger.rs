//! Two readings of one node, and the rates between them.

use super::{Amount, NodeUse, PodUse, Point, Reading, Span, Usage};
use podium_types::{Key, Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// A container that is younger than the reading before must be so old at least: what it does to start tells little.
const YOUNGEST: Duration = Duration::from_secs(10);

/// The last two readings of a node.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    before: Option<Reading>,
    last: Option<Reading>,
}

impl Ledger {
    /// A newer reading; one that is no newer is passed over.
    pub fn add(&mut self, reading: Reading) {
        let at = |reading: &Reading| reading.node.map(|node| node.at);
        let newer = self.last.as_ref().is_none_or(|last| at(last) < at(&reading) || at(&reading).is_none());
        if newer {
            self.before = self.last.replace(reading);
        }
    }
    /// Whether there are two readings.
    pub fn ready(&self) -> bool {
        self.before.is_some()
    }
    /// Adds what the node of that name and its pods use. A pod is known once all its containers are.
    pub fn report(&self, name: &str, usage: &mut Usage) {
        let (Some(before), Some(last)) = (&self.before, &self.last) else { return };
        if let Some((span, amount)) = last.node.zip(before.node).and_then(|(new, old)| between(&old, &new)) {
            usage.nodes.insert(name.to_owned(), NodeUse { span, amount });
        }
        let mut pods: BTreeMap<&Key, Option<PodUse>> = BTreeMap::new();
        for (id, new) in &last.containers {
            let (pod, container) = id;
            let of = pods.entry(pod).or_insert_with(|| {
                let span = Span { at: new.at, window: Duration::MAX };
                Some(PodUse { span, containers: BTreeMap::new() })
            });
            let known = before.containers.get(id).and_then(|old| between(old, new)).or_else(|| since_birth(new));
            match (of.as_mut(), known) {
                (Some(of), Some((span, amount))) => {
                    if of.containers.is_empty() || span.at < of.span.at {
                        of.span = span;
                    }
                    of.containers.insert(container.clone(), amount);
                }
                _ => *of = None,
            }
        }
        usage.pods.extend(pods.into_iter().filter_map(|(key, of)| Some((key.clone(), of?))));
    }
}

/// The rate between two points of one life.
fn between(old: &Point, new: &Point) -> Option<(Span, Amount)> {
    let same = old.began == new.began && old.cpu_nanos <= new.cpu_nanos;
    if same { rate(old.at, old.cpu_nanos, new) } else { None }
}

/// The rate since a container was born, if it is old enough.
fn since_birth(new: &Point) -> Option<(Span, Amount)> {
    rate(new.began?, 0, new).filter(|(span, _)| span.window >= YOUNGEST)
}

fn rate(from: Timestamp, cpu_nanos: u64, new: &Point) -> Option<(Span, Amount)> {
    let window = Duration::try_from(new.at.duration_since(from)).ok().filter(|w| !w.is_zero())?;
    let used = u128::from(new.cpu_nanos.saturating_sub(cpu_nanos)) * 1_000_000_000;
    let nano_cores = u64::try_from(used / window.as_nanos()).unwrap_or(u64::MAX);
    Some((Span { at: new.at, window }, Amount { nano_cores, bytes: new.bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    /// Containers of one pod: name, start, CPU seconds.
    fn reading(second: i64, node: u64, containers: &[(&str, i64, u64)]) -> Reading {
        let point = |began, cpu: u64| Point { at: at(second), began, cpu_nanos: cpu * 1_000_000_000, bytes: 7 };
        let one = |(name, began, cpu): &(&str, i64, u64)| {
            ((Key::new("ns", "p"), (*name).to_owned()), point(Some(at(*began)), *cpu))
        };
        Reading { node: Some(point(None, node)), containers: containers.iter().map(one).collect() }
    }

    fn report(readings: &[Reading]) -> Usage {
        let (mut ledger, mut usage) = (Ledger::default(), Usage::default());
        readings.iter().cloned().for_each(|r| ledger.add(r));
        ledger.report("n", &mut usage);
        usage
    }

    #[test]
    fn a_rate_takes_two_readings() {
        assert_eq!(report(&[reading(100, 50, &[("c", 0, 1)])]), Usage::default());
        let usage = report(&[reading(100, 50, &[("c", 0, 1)]), reading(115, 65, &[("c", 0, 4)])]);
        let span = Span { at: at(115), window: Duration::from_secs(15) };
        assert_eq!(usage.nodes["n"], NodeUse { span, amount: Amount { nano_cores: 1_000_000_000, bytes: 7 } });
        let pod = &usage.pods[&Key::new("ns", "p")];
        assert_eq!((pod.span, pod.containers["c"].nano_cores), (span, 200_000_000));
    }

    #[test]
    fn the_same_moment_read_twice_is_one_reading() {
        let mut ledger = Ledger::default();
        ledger.add(reading(100, 50, &[]));
        ledger.add(reading(100, 50, &[]));
        assert!(!ledger.ready());
        ledger.add(reading(101, 50, &[]));
        assert!(ledger.ready());
    }

    #[test]
    fn another_life_counts_from_its_birth_once_it_is_old_enough() {
        let first = reading(100, 0, &[("c", 0, 90)]);
        for (began, now, cpu, expected) in [
            (101, 115, 7, Some(500_000_000)),
            (110, 115, 1, None),
            // The counter went back though the start did not change: since the birth, too.
            (0, 115, 23, Some(200_000_000)),
        ] {
            let usage = report(&[first.clone(), reading(now, 0, &[("c", began, cpu)])]);
            let found = usage.pods.get(&Key::new("ns", "p")).map(|p| p.containers["c"].nano_cores);
            assert_eq!(found, expected, "began at {began}");
        }
        // A pod with a container that is not known yet is not known.
        let usage = report(&[first, reading(115, 0, &[("c", 0, 91), ("d", 114, 1)])]);
        assert!(usage.pods.is_empty());
    }
}
