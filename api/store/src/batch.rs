//! What a batch of writes became, and how one is cut into statements.

use crate::StoreError;
use podium_machinery::state::{Action, Event, Object, Write, WriteError};
use std::{collections::BTreeMap, sync::Arc};

/// Most writes in one statement.
pub const MAX_BATCH: usize = 512;
/// Most bytes of object text in one statement; a single larger object goes alone.
pub const MAX_BATCH_BYTES: usize = 8 << 20;

/// The revisions that one statement took: those above `base` up to `newest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Newest revision before the statement, of any writer.
    pub base: u64,
    /// Newest revision after it.
    pub newest: u64,
}

/// An event of the batch, and whose.
#[derive(Debug)]
pub struct Committed {
    /// Storage name of the kind.
    pub resource: &'static str,
    /// The event; `previous` is not filled in, a KindActor has it in its snapshot.
    pub event: Event,
}

/// The outcome of [`crate::Writer::commit`].
#[derive(Debug)]
pub struct Batch {
    /// Per write, in their order: the object as stored (at the revision of its deletion, for a delete).
    pub outcomes: Vec<Result<Arc<Object>, WriteError>>,
    /// What was committed, in revision order.
    pub events: Vec<Committed>,
    /// Revisions taken, statement by statement.
    pub spans: Vec<Span>,
    /// Why some writes are `Unavailable` or `Unknown`, where any is.
    pub fault: Option<StoreError>,
}

impl Batch {
    /// Whether nobody else committed between revision `since` and the end of this batch: then
    /// `events` are all there is after `since`, and the feed need not be read for them.
    pub fn follows(&self, since: u64) -> bool {
        self.spans.iter().try_fold(since, |at, span| (span.base == at).then_some(span.newest)).is_some()
    }
    /// Newest revision that the batch took, `None` where it took none.
    pub fn newest(&self) -> Option<u64> {
        self.spans.last().map(|s| s.newest)
    }
    /// Whether a write may be in the database although its outcome is not known: read the feed.
    pub fn in_doubt(&self) -> bool {
        self.outcomes.iter().any(|o| matches!(o, Err(WriteError::Unknown)))
    }
}

/// Cuts writes into statements: writes to one key go into different ones, in their order
/// (a statement sees no effect of itself), and none is too large.
pub(crate) fn rounds(writes: &[Write]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut seen = BTreeMap::new();
    for (index, write) in writes.iter().enumerate() {
        // A write goes with its charges, so it waits for the latest of their keys.
        let keys =
            || write.charges.iter().map(|c| (c.kind.resource, &c.key)).chain([(write.kind.resource, &write.key)]);
        let round = keys().filter_map(|key| seen.get(&key)).max().copied().unwrap_or(0usize);
        for key in keys() {
            seen.insert(key, round + 1);
        }
        rounds.resize_with(rounds.len().max(round + 1), Vec::new);
        rounds[round].push(index);
    }
    rounds.into_iter().flat_map(|round| cut(writes, round)).collect()
}

fn cut(writes: &[Write], round: Vec<usize>) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = vec![Vec::new()];
    let mut bytes = 0;
    for index in round {
        let size = text_len(&writes[index]);
        let part = parts.last().map_or(0, Vec::len);
        if part >= MAX_BATCH || (part > 0 && bytes + size > MAX_BATCH_BYTES) {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(index);
        }
    }
    parts
}

fn text_len(write: &Write) -> usize {
    let own = match &write.action {
        Action::Create { body, .. } | Action::Update { body, .. } | Action::Delete { body, .. } => body.text.len(),
    };
    own + write.charges.iter().map(|charge| charge.body.text.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use podium_machinery::state::Body;
    use podium_types::Key;
    use proptest::prelude::*;

    fn write(name: u8, size: usize) -> Write {
        let body = Body { labels: BTreeMap::new(), text: "x".repeat(size) };
        let action = Action::Create { uid: String::new(), body };
        let (key, actor) = (Key::new("", name.to_string()), String::new());
        Write { kind: podium_kinds::KINDS[0], key, actor, action, charges: Vec::new() }
    }

    proptest! {
        #[test]
        fn rounds_hold_every_write_once_no_key_twice_and_keep_the_order_of_a_key(
            names in prop::collection::vec(0u8..8, 0..60)
        ) {
            let writes: Vec<_> = names.iter().map(|n| write(*n, 3)).collect();
            let rounds = rounds(&writes);
            let flat: Vec<_> = rounds.concat();
            let mut sorted = flat.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..writes.len()).collect::<Vec<_>>());
            for round in &rounds {
                let mut keys: Vec<_> = round.iter().map(|i| names[*i]).collect();
                keys.sort_unstable();
                keys.dedup();
                prop_assert_eq!(keys.len(), round.len());
            }
            for name in 0..8 {
                let order: Vec<_> = flat.iter().filter(|i| names[**i] == name).collect();
                prop_assert!(order.is_sorted());
            }
        }
    }

    #[test]
    fn statements_are_bounded() {
        let many: Vec<_> = (0..=255)
            .flat_map(|i| [(i, "a"), (i, "b"), (i, "c")])
            .map(|(i, ns)| {
                let mut w = write(i, 1);
                w.key.namespace = ns.into();
                w
            })
            .collect();
        assert_eq!(rounds(&many).iter().map(Vec::len).collect::<Vec<_>>(), [MAX_BATCH, 256]);
        let large: Vec<_> = (0..4).map(|i| write(i, MAX_BATCH_BYTES / 2)).collect();
        assert_eq!(rounds(&large), [vec![0, 1], vec![2, 3]]);
        assert_eq!(rounds(&[write(0, 2 * MAX_BATCH_BYTES)]), [vec![0]]);
    }

    #[test]
    fn a_batch_follows_only_an_unbroken_chain() {
        let span = |base, newest| Span { base, newest };
        let batch = |spans| Batch { outcomes: vec![], events: vec![], spans, fault: None };
        assert!(batch(vec![span(5, 7), span(7, 9)]).follows(5));
        assert!(!batch(vec![span(5, 7), span(8, 9)]).follows(5));
        assert!(!batch(vec![span(6, 7)]).follows(5));
    }
}
