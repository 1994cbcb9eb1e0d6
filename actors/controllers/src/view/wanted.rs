//! Who selects pods, by a label that those must bear: so that whoever is concerned by a pod is
//! found without asking all who select.

use super::{Item, View, index::Index};
use crate::selector::Labels;
use k8s_openapi::{
    api::{
        core::v1::{Pod, PodAffinityTerm, Service},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use rpds::RedBlackTreeMapSync;
use std::{collections::BTreeSet, sync::Arc};

/// Stands for every namespace; none is called so.
const EVERYWHERE: &str = "*";

/// What a selector asks of the pods that it selects.
pub(super) struct Aim<'a> {
    /// Their namespace; `None`: any.
    pub namespace: Option<&'a str>,
    /// Of each of these lists of labels they must bear one.
    pub choices: Vec<Vec<(&'a str, &'a str)>>,
}

impl<'a> Aim<'a> {
    fn pairs(namespace: &'a str, pairs: &'a Labels) -> Self {
        let choices = pairs.iter().map(|(name, value)| vec![(name.as_str(), value.as_str())]).collect();
        Self { namespace: Some(namespace), choices }
    }
    fn selector(namespace: Option<&'a str>, selector: &'a LabelSelector) -> Self {
        let pairs = selector.match_labels.iter().flatten();
        let mut choices: Vec<_> = pairs.map(|(name, value)| vec![(name.as_str(), value.as_str())]).collect();
        for wanted in selector.match_expressions.iter().flatten().filter(|wanted| wanted.operator == "In") {
            let values = wanted.values.iter().flatten();
            choices.push(values.map(|value| (wanted.key.as_str(), value.as_str())).collect());
        }
        Self { namespace, choices }
    }
}

/// Whoever selects, by namespace and label, or by namespace alone where no label must be borne.
#[derive(Clone)]
pub(super) struct Wanted<V: Ord> {
    index: Index<V>,
    /// Where each is in the index.
    places: RedBlackTreeMapSync<V, Vec<String>>,
}

impl<V: Ord> Default for Wanted<V> {
    fn default() -> Self {
        Self { index: Index::default(), places: RedBlackTreeMapSync::new_sync() }
    }
}

impl<V: Ord + Clone> Wanted<V> {
    /// Says what `value` aims at from now on; nothing, where it is gone.
    pub(super) fn set(&mut self, value: &V, aims: &[Aim<'_>]) {
        for place in self.places.get(value).cloned().unwrap_or_default() {
            self.index.remove(&place, value);
        }
        self.places.remove_mut(value);
        let places: Vec<String> = aims.iter().flat_map(|aim| self.rarest(aim)).collect();
        for place in &places {
            self.index.insert(place, value.clone());
        }
        if !places.is_empty() {
            self.places.insert_mut(value.clone(), places);
        }
    }
    /// All that may select such a pod: every one that does, and some that do not.
    pub(super) fn about<'a>(&'a self, namespace: &str, labels: &Labels) -> BTreeSet<&'a V> {
        let pairs = labels.iter().map(|(name, value)| Some((name.as_str(), value.as_str())));
        let pairs: Vec<_> = pairs.chain([None]).collect();
        let spaces = [namespace, EVERYWHERE].into_iter();
        spaces.flat_map(|space| pairs.iter().flat_map(move |pair| self.index.get(&name(space, *pair)))).collect()
    }
    /// The choice of an aim that the fewest others have.
    fn rarest(&self, aim: &Aim<'_>) -> Vec<String> {
        let space = aim.namespace.unwrap_or(EVERYWHERE);
        let names = |choice: &Vec<(&str, &str)>| choice.iter().map(|pair| name(space, Some(*pair))).collect();
        let choices = aim.choices.iter().map(names);
        let rarest =
            choices.min_by_key(|names: &Vec<String>| names.iter().map(|name| self.index.count(name)).sum::<usize>());
        rarest.unwrap_or_else(|| vec![name(space, None)])
    }
}

/// A namespace has no `/` in it, a label's name no `=`.
fn name(namespace: &str, pair: Option<(&str, &str)>) -> String {
    pair.map_or_else(|| format!("{namespace}/"), |(name, value)| format!("{namespace}/{name}={value}"))
}

/// What the terms of a pod aim at.
pub(super) fn terms(pod: &Item<Pod>) -> Vec<Aim<'_>> {
    let Some(affinity) = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()) else { return Vec::new() };
    let (near, far) = (affinity.pod_affinity.as_ref(), affinity.pod_anti_affinity.as_ref());
    let required = [
        near.and_then(|near| near.required_during_scheduling_ignored_during_execution.as_ref()),
        far.and_then(|far| far.required_during_scheduling_ignored_during_execution.as_ref()),
    ];
    let preferred = [
        near.and_then(|near| near.preferred_during_scheduling_ignored_during_execution.as_ref()),
        far.and_then(|far| far.preferred_during_scheduling_ignored_during_execution.as_ref()),
    ];
    let preferred = preferred.into_iter().flatten().flatten().map(|weighted| &weighted.pod_affinity_term);
    required.into_iter().flatten().flatten().chain(preferred).flat_map(|wanted| term(wanted, pod)).collect()
}

fn term<'a>(term: &'a PodAffinityTerm, pod: &'a Item<Pod>) -> Vec<Aim<'a>> {
    // Without a selector no pod is meant.
    let Some(selector) = &term.label_selector else { return Vec::new() };
    let named = term.namespaces.as_deref().unwrap_or_default();
    let spaces: Vec<Option<&str>> = match &term.namespace_selector {
        // Which ones these are changes with their labels.
        Some(_) => vec![None],
        None if named.is_empty() => vec![Some(&pod.key().namespace)],
        None => named.iter().map(|name| Some(name.as_str())).collect(),
    };
    let followed = term.match_label_keys.iter().flatten();
    let followed: Vec<_> = followed.filter_map(|key| pod.object.labels.get_key_value(key)).collect();
    let aim = |space| {
        let mut aim = Aim::selector(space, selector);
        aim.choices.extend(followed.iter().map(|(name, value)| vec![(name.as_str(), value.as_str())]));
        aim
    };
    spaces.into_iter().map(aim).collect()
}

/// What a Service aims at; without a selector at no pod.
pub(super) fn service(service: &Item<Service>) -> Vec<Aim<'_>> {
    let pairs = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).filter(|pairs| !pairs.is_empty());
    pairs.map(|pairs| Aim::pairs(&service.key().namespace, pairs)).into_iter().collect()
}

/// What a budget aims at; without a selector at no pod.
pub(super) fn budget(budget: &Item<PodDisruptionBudget>) -> Vec<Aim<'_>> {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    selector.map(|selector| Aim::selector(Some(&budget.key().namespace), selector)).into_iter().collect()
}

impl View {
    /// The Services of a namespace that may select pods with these labels, in key order.
    pub fn services_about(&self, namespace: &str, labels: &Labels) -> impl Iterator<Item = &Arc<Item<Service>>> {
        self.selecting.services.about(namespace, labels).into_iter().filter_map(|key| self.services.get(key))
    }
    /// The budgets that may be about pods with these labels, in key order.
    pub fn budgets_about(
        &self,
        namespace: &str,
        labels: &Labels,
    ) -> impl Iterator<Item = &Arc<Item<PodDisruptionBudget>>> {
        self.selecting.budgets.about(namespace, labels).into_iter().filter_map(|key| self.budgets.get(key))
    }
    /// The groups of pods that say the same of other pods, and may say something of such a pod; with
    /// one pod of each.
    pub fn neighbours_about(&self, namespace: &str, labels: &Labels) -> impl Iterator<Item = (&str, &Arc<Item<Pod>>)> {
        let groups = self.selecting.groups.about(namespace, labels).into_iter();
        groups.filter_map(|group| Some((group.as_str(), self.neighbours_of(group).next()?)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{View, resource, selector};
    use podium_machinery::state::{Body, Change, Event, Object};
    use podium_types::meta;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::{collections::BTreeMap, sync::Arc};

    /// Selectors of each form; the last selects every pod.
    fn selectors() -> [Value; 6] {
        [
            json!({"matchLabels": {"one": "0"}}),
            json!({"matchLabels": {"one": "1", "two": "0"}}),
            json!({"matchExpressions": [{"key": "one", "operator": "In", "values": ["0", "1"]}]}),
            json!({"matchExpressions": [{"key": "two", "operator": "NotIn", "values": ["1"]}]}),
            json!({"matchLabels": {"two": "1"}, "matchExpressions": [{"key": "one", "operator": "Exists"}]}),
            json!({}),
        ]
    }

    fn put(view: &mut View, resource: &str, revision: u64, object: &Value, goes: bool) {
        let body = Body::of(object);
        let uid = format!("{resource}/{}", meta::key(object));
        let object = Object::new(meta::key(object), uid, revision, body.labels, &body.text);
        let change = if goes { Change::Deleted } else { Change::Modified };
        view.apply(resource, &Event::new(change, revision, Arc::new(object), None));
    }

    proptest! {
        #[test]
        fn whoever_selects_a_pod_is_found(
            events in prop::collection::vec((0_u8..5, 0_u8..2, 0_usize..6, 0_u8..4, any::<bool>()), 0..60),
        ) {
            let mut view = View::default();
            for (revision, (name, space, form, reach, goes)) in (1..).zip(&events) {
                let selector = &selectors()[*form];
                let metadata = json!({"name": format!("x{name}"), "namespace": format!("s{space}")});
                let pairs = selector["matchLabels"].clone();
                put(&mut view, resource::SERVICES, revision, &json!({"metadata": metadata, "spec": {"selector": pairs}}), *goes);
                let budget = json!({"metadata": metadata, "spec": {"selector": selector}});
                put(&mut view, resource::BUDGETS, revision, &budget, *goes);
                let mut term = json!({"topologyKey": "host", "labelSelector": selector});
                match reach {
                    1 => term["namespaces"] = json!(["s0", "s1"]),
                    2 => term["namespaceSelector"] = json!({}),
                    3 => term["matchLabelKeys"] = json!(["two"]),
                    _ => {}
                }
                let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
                let mut pod = json!({"metadata": metadata, "spec": {"affinity": affinity, "containers": []}});
                pod["metadata"]["labels"] = json!({"two": (form % 2).to_string()});
                put(&mut view, resource::PODS, revision, &pod, *goes);
            }
            for (one, two, space) in [("0", "0", "s0"), ("0", "1", "s1"), ("1", "0", "s1"), ("2", "2", "s0")] {
                let labels: BTreeMap<String, String> = [("one".into(), one.into()), ("two".into(), two.into())].into();
                let services = view.services_about(space, &labels).map(|service| service.key());
                let services: Vec<_> = services.collect();
                for service in view.services.of(space) {
                    let pairs = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                    let selects = pairs.is_some_and(|pairs| !pairs.is_empty() && selector::contains(pairs, &labels));
                    prop_assert!(!selects || services.contains(&service.key()));
                }
                let budgets: Vec<_> = view.budgets_about(space, &labels).map(|budget| budget.key()).collect();
                for budget in view.budgets.of(space) {
                    let own = budget.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
                    let selects = own == Default::default() || selector::matches(&own, &labels);
                    prop_assert!(!selects || budgets.contains(&budget.key()));
                }
                let pods = view.neighbours_about(space, &labels).flat_map(|(group, _)| view.neighbours_of(group));
                let pods: Vec<_> = pods.map(|pod| pod.key()).collect();
                for pod in view.pods.all() {
                    let spec = pod.object.value()["spec"]["affinity"]["podAntiAffinity"].clone();
                    let term = &spec["requiredDuringSchedulingIgnoredDuringExecution"][0];
                    let own = serde_json::from_value(term["labelSelector"].clone()).unwrap();
                    let reaches = pod.key().namespace == space || !term["namespaces"].is_null()
                        || !term["namespaceSelector"].is_null();
                    let followed = term["matchLabelKeys"].is_null() || pod.object.labels["two"] == two;
                    let selects = own == Default::default() || selector::matches(&own, &labels);
                    prop_assert!(!(reaches && followed && selects) || pods.contains(&pod.key()));
                }
            }
            // What is gone is found nowhere.
            for (name, space) in (0..5).flat_map(|name| [(name, 0), (name, 1)]) {
                let metadata = json!({"name": format!("x{name}"), "namespace": format!("s{space}")});
                for kind in [resource::SERVICES, resource::BUDGETS, resource::PODS] {
                    put(&mut view, kind, 1000, &json!({"metadata": metadata}), true);
                }
            }
            prop_assert_eq!(view.selecting.services.index.keys().count(), 0);
            prop_assert_eq!(view.selecting.budgets.index.keys().count(), 0);
            prop_assert_eq!(view.selecting.groups.index.keys().count(), 0);
        }
    }
}
