//! Every object of one kind, typed and in list order.

use super::item::{Item, Typed};
use podium_machinery::state::{Change, Event};
use podium_types::Key;
use rpds::RedBlackTreeMapSync;
use std::{ops::Bound, sync::Arc};

/// An object before or after an event, where it existed.
type Seen<T> = Option<Arc<Item<T>>>;

/// Typed objects by key; cheap to clone, clones share.
#[derive(Clone)]
pub struct Shelf<T> {
    items: RedBlackTreeMapSync<Key, Arc<Item<T>>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { items: RedBlackTreeMapSync::new_sync() }
    }
}

impl<T: Typed> Shelf<T> {
    /// The object of that key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Item<T>>> {
        self.items.get(key)
    }
    /// All objects, in list order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Item<T>>> {
        self.items.values()
    }
    /// The objects of one namespace, in list order.
    pub fn of<'a, 'n>(&'a self, namespace: &'n str) -> impl Iterator<Item = &'a Arc<Item<T>>> + use<'a, 'n, T> {
        let start = Bound::Included(Key::new(namespace, ""));
        self.items
            .range((start, Bound::Unbounded))
            .map(|(_, item)| item)
            .take_while(move |item| item.key().namespace == namespace)
    }
    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.items.size()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
    /// Folds an event; the object before it, and after it where it still exists.
    pub(super) fn fold(&mut self, event: &Event) -> (Seen<T>, Seen<T>) {
        let key = &event.object.key;
        let old = self.items.get(key).cloned();
        if event.change == Change::Deleted {
            self.items.remove_mut(key);
            return (old, None);
        }
        let new = Item::parse(&event.object).map(Arc::new);
        match &new {
            Some(item) => self.items.insert_mut(key.clone(), Arc::clone(item)),
            None => {
                self.items.remove_mut(key);
            }
        }
        (old, new)
    }
}
