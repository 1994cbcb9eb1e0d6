//! Which images go: the longest unused first, none that is in use or too young. Pure.

use jiff::{SignedDuration, Timestamp};

/// An image with its history.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub id: String,
    pub size: u64,
    pub first: Timestamp,
    pub last_used: Timestamp,
    pub used: bool,
    /// Never goes by itself.
    pub kept: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// So much must be won back.
    pub free_bytes: u64,
    /// Who is here for less than this stays.
    pub youngest: SignedDuration,
    /// Who was not used for longer than this goes anyway.
    pub oldest: Option<SignedDuration>,
}

/// Ids of the images that go, in order.
pub(super) fn choose(mut images: Vec<Seen>, policy: Policy, now: Timestamp) -> Vec<String> {
    images.retain(|image| !image.used && !image.kept);
    images.sort_by(|a, b| (a.last_used, a.first, &a.id).cmp(&(b.last_used, b.first, &b.id)));
    let (mut freed, mut chosen) = (0_u64, Vec::new());
    for image in images {
        let old = policy.oldest.is_some_and(|oldest| now.duration_since(image.last_used) > oldest);
        let needed = freed < policy.free_bytes && now.duration_since(image.first) >= policy.youngest;
        if old || needed {
            freed = freed.saturating_add(image.size);
            chosen.push(image.id);
        }
    }
    chosen
}

/// Bytes that must go so that a disk which is fuller than `high` percent becomes no fuller than `low` percent.
pub(super) fn above(capacity: u64, available: u64, high: u64, low: u64) -> u64 {
    let used = capacity.saturating_sub(available);
    let share = |percent: u64| u64::try_from(u128::from(capacity) * u128::from(percent) / 100).unwrap_or(u64::MAX);
    if capacity > 0 && used >= share(high) { used.saturating_sub(share(low)) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_go_first() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let seen = |id: &str, first, last, used, kept| Seen {
            id: id.to_owned(),
            size: 10,
            first: at(first),
            last_used: at(last),
            used,
            kept,
        };
        let images = || {
            vec![
                seen("used", 0, 1000, true, false),
                seen("kept", 0, 0, false, true),
                seen("recent", 0, 900, false, false),
                seen("stale", 10, 100, false, false),
                seen("staler", 0, 100, false, false),
                seen("young", 950, 950, false, false),
            ]
        };
        let age = SignedDuration::from_secs;
        for (free_bytes, oldest, expected) in [
            (0, None, &[][..]),
            (1, None, &["staler"]),
            (11, None, &["staler", "stale"]),
            (u64::MAX, None, &["staler", "stale", "recent"]),
            (0, Some(age(500)), &["staler", "stale"]),
            (0, Some(age(1)), &["staler", "stale", "recent", "young"]),
        ] {
            let policy = Policy { free_bytes, youngest: age(120), oldest };
            assert_eq!(choose(images(), policy, at(1000)), expected, "{policy:?}");
        }
    }

    #[test]
    fn a_full_disk_is_emptied_to_the_low_mark() {
        for (available, expected) in [(16, 0), (15, 5), (0, 20), (100, 0)] {
            assert_eq!(above(100, available, 85, 80), expected, "{available}");
        }
        assert_eq!(above(0, 0, 85, 80), 0);
        assert_eq!(above(u64::MAX, 0, 100, 0), u64::MAX);
    }
}
