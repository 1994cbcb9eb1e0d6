//! Which ids of the host a pod with users of its own has (`hostUsers: false`): a block of 65536 that no other pod has,
//! and never the first, which the host uses itself.

use std::collections::BTreeSet;

/// Ids of a block; all that a pod can name.
pub const PER_POD: u32 = 65_536;
/// Blocks that there are; the last one holds the id that means none.
const BLOCKS: u32 = u32::MAX / PER_POD;

/// The first id of the first block that nobody has.
pub fn free(taken: &BTreeSet<u32>) -> Option<u32> {
    (1..BLOCKS).map(|block| block * PER_POD).find(|base| !taken.contains(base))
}

/// Whether an id is one that a pod's user namespace has.
pub fn within(id: i64) -> bool {
    (0..i64::from(PER_POD)).contains(&id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_begin_after_the_hosts_own_and_end_before_the_last() {
        assert_eq!(free(&BTreeSet::new()), Some(65_536));
        assert_eq!(free(&[65_536, 196_608].into()), Some(131_072));
        let all: BTreeSet<u32> = (1..BLOCKS).map(|block| block * PER_POD).collect();
        assert_eq!(free(&all), None);
        assert!(within(0) && within(65_535) && !within(65_536) && !within(-1));
    }

    proptest! {
        #[test]
        fn no_block_overlaps_another(gone in prop::collection::btree_set(0..64_usize, 0..20)) {
            let mut taken = BTreeSet::new();
            for round in 0..64 {
                let base = free(&taken).expect("plenty");
                prop_assert!(base.is_multiple_of(PER_POD) && base >= PER_POD && base.checked_add(PER_POD).is_some());
                prop_assert!(taken.insert(base));
                if gone.contains(&round) {
                    taken.remove(&base);
                }
            }
        }
    }
}
