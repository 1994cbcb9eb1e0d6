//! Pods by the labels that they bear, so that a selector need not look at a whole namespace.

use super::index::Index;
use crate::selector::Labels;
use podium_machinery::state::Object;
use podium_types::Key;
use std::sync::Arc;

/// Keys by namespace and label; the sets of all labels of a pod share its key.
#[derive(Clone, Default)]
pub(super) struct Labelled {
    pairs: Index<Arc<Key>>,
}

impl Labelled {
    /// A pod was replaced by another of the same key, came, or went.
    pub(super) fn fold(&mut self, old: Option<&Object>, new: Option<&Object>) {
        if let (Some(old), Some(new)) = (old, new)
            && old.labels == new.labels
        {
            return;
        }
        if let Some(old) = old {
            let key = Arc::new(old.key.clone());
            old.labels.iter().for_each(|label| self.pairs.remove(&name(&key.namespace, label), &key));
        }
        if let Some(new) = new {
            let key = Arc::new(new.key.clone());
            new.labels.iter().for_each(|label| self.pairs.insert(&name(&key.namespace, label), Arc::clone(&key)));
        }
    }
    /// The pods of a namespace that bear the rarest of these labels, in key order; `None` where
    /// there are no labels to go by.
    pub(super) fn rarest<'a>(
        &'a self,
        namespace: &str,
        labels: &Labels,
    ) -> Option<impl Iterator<Item = &'a Key> + use<'a>> {
        let names = labels.iter().map(|label| name(namespace, label));
        let rarest = names.min_by_key(|name| self.pairs.count(name))?;
        Some(self.pairs.get(&rarest).map(Arc::as_ref))
    }
}

/// A namespace has no `/` in it, a label's name no `=`.
fn name(namespace: &str, (name, value): (&String, &String)) -> String {
    format!("{namespace}/{name}={value}")
}

#[cfg(test)]
mod tests {
    use crate::{View, resource, selector};
    use podium_machinery::state::{Body, Change, Event, Object};
    use podium_types::Key;
    use proptest::prelude::*;
    use serde_json::json;
    use std::{collections::BTreeMap, sync::Arc};

    proptest! {
        #[test]
        fn the_index_finds_what_a_walk_over_the_namespace_finds(
            events in prop::collection::vec((0_u8..8, 0_u8..2, 0_u8..3, 0_u8..3, any::<bool>()), 0..60),
        ) {
            let mut view = View::default();
            for (revision, (name, space, one, two, goes)) in (1..).zip(&events) {
                let labels = json!({"one": one.to_string(), "two": two.to_string()});
                let pod = json!({"metadata": {"name": format!("p{name}"), "namespace": format!("s{space}"),
                    "labels": labels}});
                let body = Body::of(&pod);
                let key = Key::new(format!("s{space}"), format!("p{name}"));
                let object = Object::new(key, "u".to_owned(), revision, body.labels, &body.text);
                let change = if *goes { Change::Deleted } else { Change::Modified };
                view.apply(resource::PODS, &Event::new(change, revision, Arc::new(object), None));
            }
            for (one, two) in [("0", "0"), ("1", "2"), ("2", "1")] {
                for wanted in [json!({}), json!({"one": one}), json!({"one": one, "two": two})] {
                    let wanted: BTreeMap<String, String> = serde_json::from_value(wanted).unwrap();
                    for space in ["s0", "s1"] {
                        let found: Vec<&Key> = view.pods_labelled(space, &wanted).map(|pod| pod.key()).collect();
                        let all = view.pods.of(space).filter(|pod| selector::contains(&wanted, &pod.object.labels));
                        prop_assert_eq!(found, all.map(|pod| pod.key()).collect::<Vec<_>>());
                    }
                }
            }
        }
    }
}
