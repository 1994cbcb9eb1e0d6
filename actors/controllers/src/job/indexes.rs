//! Sets of completion indexes, written as `0,3-5,7`.

use std::fmt;

/// Indexes as ranges, both ends included, in order and apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    ranges: Vec<(i32, i32)>,
}

impl Indexes {
    /// Reads what a status holds; indexes from `end` on no longer count, nor does what cannot be read.
    pub fn parse(text: &str, end: i32) -> Self {
        let mut set = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) {
                set.add(first.max(0), last.min(end.saturating_sub(1)));
            }
        }
        set
    }
    /// Adds an index.
    pub fn insert(&mut self, index: i32) {
        self.add(index, index);
    }
    fn add(&mut self, mut first: i32, mut last: i32) {
        if first > last {
            return;
        }
        // All that overlap or touch become one.
        let near = |range: &(i32, i32)| range.0 <= last.saturating_add(1) && range.1.saturating_add(1) >= first;
        let from = self.ranges.iter().position(near);
        let Some(from) = from else {
            let at = self.ranges.partition_point(|range| range.1 < first);
            self.ranges.insert(at, (first, last));
            return;
        };
        let count = self.ranges.iter().skip(from).take_while(|range| near(range)).count();
        for range in self.ranges.drain(from..from + count) {
            first = first.min(range.0);
            last = last.max(range.1);
        }
        self.ranges.insert(from, (first, last));
    }
    /// Whether it holds an index.
    pub fn contains(&self, index: i32) -> bool {
        let at = self.ranges.partition_point(|range| range.1 < index);
        self.ranges.get(at).is_some_and(|range| range.0 <= index)
    }
    /// How many it holds.
    pub fn len(&self) -> i32 {
        self.ranges.iter().map(|range| range.1 - range.0 + 1).sum()
    }
    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
    /// How many it has in common with another.
    pub fn common(&self, other: &Self) -> i32 {
        let overlap = |a: &(i32, i32), b: &(i32, i32)| (a.1.min(b.1) - a.0.max(b.0) + 1).max(0);
        self.ranges.iter().flat_map(|a| other.ranges.iter().map(move |b| overlap(a, b))).sum()
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges.iter().enumerate() {
            f.write_str(if at > 0 { "," } else { "" })?;
            match last - first {
                0 => write!(f, "{first}")?,
                1 => write!(f, "{first},{last}")?,
                _ => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn indexes_are_a_set(list in proptest::collection::vec(0_i32..40, 0..40)) {
            let mut set = Indexes::default();
            list.iter().for_each(|index| set.insert(*index));
            let plain: BTreeSet<i32> = list.into_iter().collect();
            prop_assert_eq!(set.len(), i32::try_from(plain.len()).unwrap());
            prop_assert!((0..40).all(|index| set.contains(index) == plain.contains(&index)));
            prop_assert_eq!(&Indexes::parse(&set.to_string(), 40), &set);
            prop_assert_eq!(set.common(&set), set.len());
            let half = plain.iter().filter(|index| **index < 20).count();
            prop_assert_eq!(Indexes::parse(&set.to_string(), 20).len(), i32::try_from(half).unwrap());
        }
    }

    #[test]
    fn ranges_are_written_as_kubernetes_does() {
        let mut set = Indexes::default();
        [7, 0, 4, 5, 3, 8].into_iter().for_each(|index| set.insert(index));
        assert_eq!(set.to_string(), "0,3-5,7,8");
    }
}
