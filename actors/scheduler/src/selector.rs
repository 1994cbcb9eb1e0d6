//! Selectors and pod affinity terms, read once so that matching many pods is cheap.

use k8s_openapi::{
    api::core::v1::{Pod, PodAffinityTerm, WeightedPodAffinityTerm},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use podium_controllers::{View, view::Item};
use std::collections::{BTreeMap, BTreeSet};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// One thing that a selector wants of labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    /// An operator that no one knows.
    Never,
}

impl Need {
    fn met(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
            Self::Never => false,
        }
    }
}

/// A label selector; without a selector at all nothing is selected, by an empty one everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector(Option<Vec<Need>>);

impl Selector {
    /// Reads a selector.
    pub fn of(selector: Option<&LabelSelector>) -> Self {
        let Some(selector) = selector else { return Self(None) };
        let mut own = Self(Some(Vec::new()));
        own.equal(selector.match_labels.iter().flatten());
        for wanted in selector.match_expressions.iter().flatten() {
            let (key, values) = (wanted.key.clone(), wanted.values.clone().unwrap_or_default());
            own.push(match wanted.operator.as_str() {
                "In" => Need::In(key, values),
                "NotIn" => Need::NotIn(key, values),
                "Exists" => Need::Exists(key),
                "DoesNotExist" => Need::Absent(key),
                _ => Need::Never,
            });
        }
        own
    }
    /// A selector of exactly these pairs.
    pub fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let mut own = Self(Some(Vec::new()));
        own.equal(pairs);
        own
    }
    /// Whether it selects whatever there is.
    pub fn everything(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }
    /// Labels that whatever it selects must have.
    pub fn labels(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().flatten().filter_map(|need| match need {
            Need::In(name, values) => match values.as_slice() {
                [value] => Some((name, value)),
                _ => None,
            },
            _ => None,
        })
    }
    /// Whether labels are selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.as_ref().is_some_and(|needs| needs.iter().all(|need| need.met(labels)))
    }
    /// Asks for what `other` asks for, too.
    pub fn and(&mut self, other: Self) {
        match other.0 {
            Some(needs) => needs.into_iter().for_each(|need| self.push(need)),
            None => self.0 = None,
        }
    }
    /// Asks for the values that `labels` have for `keys`, or for others than those.
    pub fn follow(&mut self, keys: Option<&[String]>, labels: &Labels, same: bool) {
        for key in keys.unwrap_or_default() {
            let Some(value) = labels.get(key) else { continue };
            let (key, values) = (key.clone(), vec![value.clone()]);
            self.push(if same { Need::In(key, values) } else { Need::NotIn(key, values) });
        }
    }
    fn equal<'a>(&mut self, pairs: impl IntoIterator<Item = (&'a String, &'a String)>) {
        for (key, value) in pairs {
            self.push(Need::In(key.clone(), vec![value.clone()]));
        }
    }
    fn push(&mut self, need: Need) {
        if let Some(needs) = &mut self.0
            && !needs.contains(&need)
        {
            needs.push(need);
        }
    }
}

/// The namespaces whose pods a term is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespaces {
    /// Every one.
    All,
    /// These.
    Named(BTreeSet<String>),
}

impl Namespaces {
    /// Whether a namespace is among them.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(namespace),
        }
    }
}

/// A pod affinity or anti-affinity term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// Label of nodes whose equal values make one place.
    pub topology: String,
    /// Where the pods are.
    pub namespaces: Namespaces,
    /// Which pods.
    pub selector: Selector,
}

impl Term {
    /// Reads a term of a pod of that namespace and with those labels.
    pub fn of(term: &PodAffinityTerm, namespace: &str, labels: &Labels, view: &View) -> Self {
        let mut selector = Selector::of(term.label_selector.as_ref());
        selector.follow(term.match_label_keys.as_deref(), labels, true);
        selector.follow(term.mismatch_label_keys.as_deref(), labels, false);
        let mut names: BTreeSet<String> = term.namespaces.iter().flatten().cloned().collect();
        let chosen = term.namespace_selector.as_ref().map(|selector| Selector::of(Some(selector)));
        let namespaces = match chosen {
            Some(selector) if selector.everything() => Namespaces::All,
            Some(selector) => {
                let spaces = view.namespaces.all().filter(|space| selector.matches(&space.object.labels));
                names.extend(spaces.map(|space| space.key().name.clone()));
                Namespaces::Named(names)
            }
            None => {
                if names.is_empty() {
                    names.insert(namespace.to_owned());
                }
                Namespaces::Named(names)
            }
        };
        Self { topology: term.topology_key.clone(), namespaces, selector }
    }
    /// Whether a pod is one that the term speaks of.
    pub fn matches(&self, namespace: &str, labels: &Labels) -> bool {
        self.namespaces.contains(namespace) && self.selector.matches(labels)
    }
}

/// Everything that a pod says about pods near it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours {
    /// Pods that must be near.
    pub affinity: Vec<Term>,
    /// Pods that must not be near.
    pub anti: Vec<Term>,
    /// Pods that had better be near, by weight; with a weight below zero, far.
    pub liked: Vec<(Term, i64)>,
}

impl Neighbours {
    /// What a pod says.
    pub fn of(pod: &Item<Pod>, view: &View) -> Self {
        let Some(affinity) = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()) else { return Self::default() };
        if affinity.pod_affinity.is_none() && affinity.pod_anti_affinity.is_none() {
            return Self::default();
        }
        let (namespace, labels) = (&pod.key().namespace, &pod.object.labels);
        let read = |term: &PodAffinityTerm| Term::of(term, namespace, labels, view);
        let weigh = |list: &Option<Vec<WeightedPodAffinityTerm>>, sign: i64| {
            let terms =
                list.iter().flatten().map(|term| (read(&term.pod_affinity_term), sign * i64::from(term.weight)));
            terms.collect::<Vec<_>>()
        };
        let mut own = Self::default();
        if let Some(near) = &affinity.pod_affinity {
            let required = near.required_during_scheduling_ignored_during_execution.iter().flatten();
            own.affinity = required.map(read).collect();
            own.liked = weigh(&near.preferred_during_scheduling_ignored_during_execution, 1);
        }
        if let Some(far) = &affinity.pod_anti_affinity {
            let required = far.required_during_scheduling_ignored_during_execution.iter().flatten();
            own.anti = required.map(read).collect();
            own.liked.extend(weigh(&far.preferred_during_scheduling_ignored_during_execution, -1));
        }
        own
    }
}
