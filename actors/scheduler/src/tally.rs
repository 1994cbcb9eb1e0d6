//! How many pods of a kind lie where.

use crate::{
    affinity,
    board::Place,
    selector::{Labels, Namespaces, Selector, Term},
    taints,
};
use k8s_openapi::api::core::v1::{NodeSelectorTerm, Pod, Toleration};
use podium_controllers::{selector, view::Item};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes by the value of a label.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The label.
    pub key: String,
    /// The domain of each place, where it has the label.
    pub of: Vec<Option<usize>>,
    /// How many domains there are.
    pub size: usize,
}

impl Topology {
    /// Groups nodes by a label.
    pub fn of<'a>(key: &str, nodes: impl Iterator<Item = &'a Labels>) -> Self {
        let mut values: BTreeMap<&str, usize> = BTreeMap::new();
        let domains = nodes.map(|labels| {
            let value = labels.get(key)?;
            let next = values.len();
            Some(*values.entry(value).or_insert(next))
        });
        let of: Vec<Option<usize>> = domains.collect();
        Self { key: key.to_owned(), of, size: values.len() }
    }
}

/// Which nodes count at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// Labels that a node must have.
    pub labels: Vec<String>,
    /// Node selector and required affinity, where they are honoured.
    pub affinity: Option<(Labels, Option<Vec<NodeSelectorTerm>>)>,
    /// Tolerations, where taints are honoured.
    pub tolerations: Option<Vec<Toleration>>,
}

impl Scope {
    /// Whether a node counts.
    pub fn admits(&self, place: &Place<'_>) -> bool {
        let labels = &place.node.object.labels;
        self.labels.iter().all(|key| labels.contains_key(key))
            && self.affinity.as_ref().is_none_or(|(pairs, required)| {
                selector::contains(pairs, labels) && affinity::required(required.as_deref(), place)
            })
            && self
                .tolerations
                .as_ref()
                .is_none_or(|tolerations| taints::untolerated(place.taints(), tolerations, taints::HARD).is_none())
    }
}

/// What is counted, and by which label of nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Label of nodes.
    pub topology: String,
    /// A pod counts that each of these selects.
    pub terms: Vec<(Namespaces, Selector)>,
    /// Whether pods that are being deleted are left out.
    pub living: bool,
    /// Which nodes count; `None`: all.
    pub scope: Option<Scope>,
}

impl Question {
    /// Whether a pod counts, wherever it lies.
    pub fn counts(&self, pod: &Item<Pod>) -> bool {
        let (namespace, labels) = (&pod.key().namespace, &pod.object.labels);
        let selected = |(namespaces, selector): &(Namespaces, Selector)| {
            namespaces.contains(namespace) && selector.matches(labels)
        };
        self.terms.iter().all(selected) && !(self.living && pod.deleting())
    }
    /// Labels that every pod has which counts.
    pub fn labels(&self) -> Labels {
        let pairs = self.terms.iter().flat_map(|(_, selector)| selector.labels());
        pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
    /// The namespaces that are to be looked at; `None`: all.
    pub fn spaces(&self) -> Option<&BTreeSet<String>> {
        self.terms.iter().find_map(|(namespaces, _)| match namespaces {
            Namespaces::Named(names) => Some(names),
            Namespaces::All => None,
        })
    }
}

/// The answer to a question, kept up to date.
#[derive(Clone, Debug)]
pub struct Tally {
    /// What is counted.
    pub question: Question,
    /// Index of the topology.
    pub topology: usize,
    /// Pods by domain.
    pub counts: Vec<i64>,
    /// Pods in all domains.
    pub total: i64,
    /// Domains that a node which counts lies in.
    present: Vec<bool>,
    /// How many of those there are.
    domains: i64,
    /// How many of those have that many pods.
    levels: BTreeMap<i64, usize>,
    eligible: Vec<bool>,
}

impl Tally {
    /// A tally that has counted nothing yet; `eligible` says of each place whether it counts.
    pub fn new(question: Question, topology: usize, domains: &Topology, eligible: Vec<bool>) -> Self {
        let mut present = vec![false; domains.size];
        for domain in
            domains.of.iter().zip(&eligible).filter(|(_, eligible)| **eligible).filter_map(|(domain, _)| *domain)
        {
            present[domain] = true;
        }
        let count = present.iter().filter(|present| **present).count();
        Self {
            question,
            topology,
            counts: vec![0; domains.size],
            total: 0,
            present,
            domains: i64::try_from(count).unwrap_or(i64::MAX),
            levels: BTreeMap::from([(0, count)]),
            eligible,
        }
    }
    /// Counts `by` more pods at a place.
    pub fn add(&mut self, topology: &Topology, at: usize, by: i64) {
        if self.eligible.get(at) != Some(&true) {
            return;
        }
        let Some(domain) = topology.of.get(at).copied().flatten() else { return };
        let Some(count) = self.counts.get_mut(domain) else { return };
        let before = *count;
        *count += by;
        self.total += by;
        if self.present.get(domain) == Some(&true) {
            if let Some(domains) = self.levels.get_mut(&before) {
                *domains -= 1;
                if *domains == 0 {
                    self.levels.remove(&before);
                }
            }
            *self.levels.entry(before + by).or_default() += 1;
        }
    }
    /// The least that a domain has; 0 where there are fewer domains than `min_domains`.
    pub fn least(&self, min_domains: i64) -> i64 {
        let least = self.levels.first_key_value().filter(|_| self.domains >= min_domains);
        least.map_or(0, |(count, _)| *count)
    }
}

/// What a term of a pod that lies somewhere means for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Those it names must stay away.
    Anti,
    /// Those it names had to be near.
    Affinity,
    /// Those it names are welcome by that much.
    Liked(i64),
}

/// A term that pods have, and how many of them have it in each domain.
#[derive(Clone, Debug)]
pub struct Owned {
    /// The term.
    pub term: Term,
    /// What it means.
    pub kind: Kind,
    /// Index of its topology.
    pub topology: usize,
    /// Owners by domain.
    pub counts: Vec<i64>,
}
