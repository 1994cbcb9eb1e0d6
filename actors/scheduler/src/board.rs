//! The cluster as a batch sees it: what nodes offer, what is taken so far, and where pods lie.
//!
//! Counts of pods per topology are taken once per question and then kept up to date with
//! every pod that is put down or lifted, so that no decision walks over pods again.

use crate::{
    class::Class,
    images,
    selector::{Labels, Neighbours, Term},
    tally::{Kind, Owned, Question, Tally, Topology},
};
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use podium_controllers::{
    Resources, View, pods,
    view::{HostPort, Item, Load, pod_ports, weight},
};
use podium_types::Key;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A node during a batch.
pub struct Place<'a> {
    /// The node.
    pub node: &'a Arc<Item<Node>>,
    /// What pods may ask of it.
    pub offer: Resources,
    /// What pods have asked of it, those placed in this batch included.
    pub load: Load,
}

impl Place<'_> {
    /// Name of the node.
    pub fn name(&self) -> &str {
        &self.node.key().name
    }
    /// Its taints.
    pub fn taints(&self) -> &[Taint] {
        self.node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
    }
    /// Whether it is cordoned.
    pub fn unschedulable(&self) -> bool {
        self.node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true)
    }
}

/// What a pod changes about the node that it lies on, and about what others see.
#[derive(Clone, Debug, Default)]
pub struct Print {
    /// Its requests.
    pub requests: Resources,
    /// Millicores and bytes for scores.
    pub weight: (i64, i64),
    /// Host ports.
    pub ports: Vec<HostPort>,
    /// Tallies that count it.
    pub counted: Vec<usize>,
    /// Terms of its own.
    pub owned: Vec<usize>,
    /// How many tallies were looked at.
    upto: usize,
}

/// Pods that run, with their places.
type Bound = Vec<(Arc<Item<Pod>>, usize)>;

/// Nodes in name order, and every count that was asked for.
pub struct Board<'a> {
    /// The picture that all of this is about.
    pub view: &'a View,
    /// The nodes.
    pub places: Vec<Place<'a>>,
    /// Node labels by which places lie together.
    pub topologies: Vec<Topology>,
    /// Counts of pods.
    pub tallies: Vec<Tally>,
    /// Counts of terms that pods have about others.
    pub owned: Vec<Owned>,
    /// Places whose load has changed, in order.
    pub touched: Vec<usize>,
    index: BTreeMap<&'a str, usize>,
    /// What images count for, by place.
    images: BTreeMap<String, Vec<i64>>,
    /// Where terms are among the owned.
    terms: BTreeMap<(Kind, Term), usize>,
    /// Groups of pods that run whose terms are known.
    learnt: BTreeSet<&'a str>,
    /// Terms whose owners among the pods that run are not counted yet: groups of those.
    uncounted: BTreeMap<usize, Vec<&'a str>>,
    /// Pods that run, with their places, of the namespaces and labels that were asked about.
    spaces: BTreeMap<(String, Labels), Bound>,
    placed: Vec<(&'a Item<Pod>, usize)>,
    claimed: BTreeSet<Key>,
    volumes: BTreeSet<(usize, (String, String))>,
}

impl<'a> Board<'a> {
    /// Every node that is not being deleted, with its present load.
    pub fn new(view: &'a View) -> Self {
        let nodes = view.nodes.all().filter(|node| !node.deleting());
        let places: Vec<Place<'a>> = nodes
            .map(|node| {
                let status = node.status.as_ref();
                let list = status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
                let offer = list.map(Resources::of_list).unwrap_or_default();
                Place { node, offer, load: view.load(&node.key().name).cloned().unwrap_or_default() }
            })
            .collect();
        let index = places.iter().enumerate().map(|(at, place)| (place.node.key().name.as_str(), at)).collect();
        Self {
            view,
            places,
            topologies: Vec::new(),
            tallies: Vec::new(),
            owned: Vec::new(),
            touched: Vec::new(),
            index,
            images: BTreeMap::new(),
            terms: BTreeMap::new(),
            learnt: BTreeSet::new(),
            uncounted: BTreeMap::new(),
            spaces: BTreeMap::new(),
            placed: Vec::new(),
            claimed: BTreeSet::new(),
            volumes: BTreeSet::new(),
        }
    }
    /// Counts the pods that run and have terms about such a pod.
    pub fn settle(&mut self, namespace: &str, labels: &Labels) {
        for (group, pod) in self.view.neighbours_about(namespace, labels) {
            if self.learnt.insert(group) {
                for owned in self.own(&Neighbours::of(pod, self.view)) {
                    self.uncounted.entry(owned).or_default().push(group);
                }
            }
        }
        let about = |owned: &usize| self.owned.get(*owned).is_some_and(|owned| owned.term.matches(namespace, labels));
        let asked: Vec<usize> = self.uncounted.keys().copied().filter(about).collect();
        for owned in asked {
            for group in self.uncounted.remove(&owned).unwrap_or_default() {
                for pod in self.view.neighbours_of(group).filter(|pod| !pods::terminal(pod)) {
                    if let Some(at) = pods::node(pod).and_then(|node| self.at(node)) {
                        self.note(owned, at, 1);
                    }
                }
            }
        }
    }
    /// Where a node is in [`Board::places`].
    pub fn at(&self, node: &str) -> Option<usize> {
        self.index.get(node).copied()
    }
    /// The domain of a place under a topology.
    pub fn domain(&self, topology: usize, at: usize) -> Option<usize> {
        *self.topologies.get(topology)?.of.get(at)?
    }
    /// What a tally counts where a place is; `None` where the node lacks the label.
    pub fn count(&self, tally: usize, at: usize) -> Option<i64> {
        let tally = self.tallies.get(tally)?;
        tally.counts.get(self.domain(tally.topology, at)?).copied()
    }
    /// How often a term of others is had where a place is.
    pub fn owners(&self, owned: usize, at: usize) -> i64 {
        let Some(owned) = self.owned.get(owned) else { return 0 };
        let domain = self.domain(owned.topology, at);
        domain.and_then(|domain| owned.counts.get(domain)).copied().unwrap_or(0)
    }

    fn topology(&mut self, key: &str) -> usize {
        if let Some(known) = self.topologies.iter().position(|topology| topology.key == key) {
            return known;
        }
        self.topologies.push(Topology::of(key, self.places.iter().map(|place| &place.node.object.labels)));
        self.topologies.len() - 1
    }

    /// What an image counts for at each place.
    pub fn image(&mut self, image: &str) -> &[i64] {
        let places = &self.places;
        self.images.entry(image.to_owned()).or_insert_with(|| images::shares(image, places))
    }

    /// The tally that answers a question, counted now where it is new.
    pub fn tally(&mut self, question: Question) -> usize {
        if let Some(known) = self.tallies.iter().position(|tally| tally.question == question) {
            return known;
        }
        let topology = self.topology(&question.topology);
        let scope = question.scope.as_ref();
        let eligible: Vec<bool> =
            self.places.iter().map(|place| scope.is_none_or(|scope| scope.admits(place))).collect();
        let domains = &self.topologies[topology];
        let mut tally = Tally::new(question, topology, domains, eligible);
        let view = self.view;
        let (spaces, index) = (&mut self.spaces, &self.index);
        let at = |pod: &Item<Pod>| index.get(pods::node(pod)?).copied().filter(|_| !pods::terminal(pod));
        let names: Vec<String> = match tally.question.spaces() {
            Some(names) => names.iter().cloned().collect(),
            None => view.namespaces.all().map(|space| space.key().name.clone()).collect(),
        };
        let labels = tally.question.labels();
        for name in names {
            let found =
                || view.pods_labelled(&name, &labels).filter_map(|pod| Some((Arc::clone(pod), at(pod)?))).collect();
            let bound = spaces.entry((name.clone(), labels.clone())).or_insert_with(found);
            for (pod, at) in bound.iter() {
                if tally.question.counts(pod) {
                    tally.add(domains, *at, 1);
                }
            }
        }
        for (pod, at) in &self.placed {
            if tally.question.counts(pod) {
                tally.add(domains, *at, 1);
            }
        }
        self.tallies.push(tally);
        self.tallies.len() - 1
    }

    /// The terms of a pod's own, known to the board from now on.
    pub fn own(&mut self, neighbours: &Neighbours) -> Vec<usize> {
        let anti = neighbours.anti.iter().map(|term| (term, Kind::Anti));
        let affinity = neighbours.affinity.iter().map(|term| (term, Kind::Affinity));
        let liked = neighbours.liked.iter().map(|(term, weight)| (term, Kind::Liked(*weight)));
        anti.chain(affinity).chain(liked).map(|(term, kind)| self.own_one(term, kind)).collect()
    }
    fn own_one(&mut self, term: &Term, kind: Kind) -> usize {
        if let Some(known) = self.terms.get(&(kind, term.clone())) {
            return *known;
        }
        let topology = self.topology(&term.topology);
        let counts = vec![0; self.topologies[topology].size];
        self.owned.push(Owned { term: term.clone(), kind, topology, counts });
        self.terms.insert((kind, term.clone()), self.owned.len() - 1);
        self.owned.len() - 1
    }
    fn note(&mut self, owned: usize, at: usize, by: i64) {
        let Some(owned) = self.owned.get_mut(owned) else { return };
        let domain = self.topologies.get(owned.topology).and_then(|topology| *topology.of.get(at)?);
        if let Some(count) = domain.and_then(|domain| owned.counts.get_mut(domain)) {
            *count += by;
        }
    }

    /// What a pod that lies somewhere changes there.
    pub fn print(&mut self, pod: &Item<Pod>) -> Print {
        let requests = Resources::of_pod(pod);
        let mut print = Print {
            weight: weight(pod, &requests),
            requests,
            ports: pod_ports(pod),
            owned: self.own(&Neighbours::of(pod, self.view)),
            ..Print::default()
        };
        self.refresh(&mut print, pod);
        print
    }
    /// Looks at the tallies that are newer than a print.
    pub fn refresh(&self, print: &mut Print, pod: &Item<Pod>) {
        for at in print.upto..self.tallies.len() {
            if self.tallies[at].question.counts(pod) {
                print.counted.push(at);
            }
        }
        print.upto = self.tallies.len();
    }
    /// Puts a pod of a class down for the rest of the batch.
    pub fn put(&mut self, pod: &'a Item<Pod>, class: &Class, at: usize) {
        self.shift(&class.print, at, 1);
        self.placed.push((pod, at));
        let claims = &class.ask.claims;
        self.claimed.extend(claims.exclusive.iter().cloned());
        let volumes = claims.bound.iter().filter_map(|volume| volume.csi.clone());
        self.volumes.extend(volumes.map(|volume| (at, volume)));
    }
    /// Whether a pod of this batch uses a claim that is for one pod.
    pub fn claimed(&self, claim: &Key) -> bool {
        self.claimed.contains(claim)
    }
    /// CSI volumes, as driver and handle, that pods of this batch use on a node.
    pub fn volumes(&self, node: &str) -> impl Iterator<Item = (String, String)> {
        let place = self.at(node);
        self.volumes.iter().filter(move |(at, _)| Some(*at) == place).map(|(_, volume)| volume.clone())
    }
    /// Counts a pod in (`by` 1) or out (-1) for a while.
    pub fn shift(&mut self, print: &Print, at: usize, by: i64) {
        let Some(place) = self.places.get_mut(at) else { return };
        self.touched.push(at);
        let load = &mut place.load;
        load.weight = (load.weight.0 + by * print.weight.0, load.weight.1 + by * print.weight.1);
        if by > 0 {
            load.requested.add(&print.requests);
        } else {
            load.requested.subtract(&print.requests);
        }
        for port in &print.ports {
            let taken = load.ports.entry(port.clone()).or_default();
            *taken = if by > 0 { *taken + 1 } else { taken.saturating_sub(1) };
            if *taken == 0 {
                load.ports.remove(port);
            }
        }
        for tally in &print.counted {
            if let Some(tally) = self.tallies.get_mut(*tally)
                && let Some(topology) = self.topologies.get(tally.topology)
            {
                tally.add(topology, at, by);
            }
        }
        for owned in &print.owned {
            self.note(*owned, at, by);
        }
    }
}
