//! From a string (a uid, a node name) to the keys that belong to it.

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

/// Sets of `V` by string; cheap to clone, clones share.
#[derive(Clone)]
pub struct Index<V: Ord> {
    sets: RedBlackTreeMapSync<String, RedBlackTreeSetSync<V>>,
}

impl<V: Ord> Default for Index<V> {
    fn default() -> Self {
        Self { sets: RedBlackTreeMapSync::new_sync() }
    }
}

impl<V: Ord + Clone> Index<V> {
    /// What belongs to `key`, in order.
    pub fn get<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a V> + use<'a, V> {
        self.sets.get(key).into_iter().flat_map(|set| set.iter())
    }
    /// How much belongs to `key`.
    pub fn count(&self, key: &str) -> usize {
        self.sets.get(key).map_or(0, |set| set.size())
    }
    /// The keys that anything belongs to, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.sets.keys()
    }
    pub(super) fn insert(&mut self, key: &str, value: V) {
        if let Some(set) = self.sets.get_mut(key) {
            set.insert_mut(value);
        } else {
            let mut set = RedBlackTreeSetSync::new_sync();
            set.insert_mut(value);
            self.sets.insert_mut(key.to_owned(), set);
        }
    }
    pub(super) fn remove(&mut self, key: &str, value: &V) {
        let Some(set) = self.sets.get_mut(key) else { return };
        set.remove_mut(value);
        if set.is_empty() {
            self.sets.remove_mut(key);
        }
    }
}
