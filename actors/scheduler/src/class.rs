//! Pods with equal asks, decided alike: what holds for all of them is found out once.

use crate::{
    affinity,
    ask::Ask,
    board::{Board, Print},
    filter::{self, FILTERS, Filter},
    images,
    profile::Profile,
    score,
    selector::{Namespaces, Term},
    spread::Constraint,
    taints,
    tally::{Kind, Question, Scope},
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::view::Item;

/// A constraint's tally, and whether the pod itself counts.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Index of the tally.
    pub at: usize,
    /// 1 where the pod is one of those that it counts.
    pub own: i64,
}

/// What a node is to the class, whatever else lies there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed {
    refused: Option<(Filter, &'static str)>,
    /// Weights of the preferred node affinities that name it.
    pub liked: i64,
    /// How many soft taints are not tolerated.
    pub disliked: i64,
    /// Score of the images that it has.
    pub images: i64,
}

/// What a place is to the class with what lies there now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Whether neither the node nor its ports and resources refuse.
    pub room: bool,
    /// The weighted scores that the place alone decides.
    pub score: i64,
}

/// See the module.
pub struct Class {
    /// What its pods ask for.
    pub ask: Ask,
    /// By place.
    pub fixed: Vec<Fixed>,
    /// Tallies of the hard spread constraints, in their order.
    pub hard: Vec<Count>,
    /// Tallies of the soft spread constraints, in their order.
    pub soft: Vec<Count>,
    /// Tallies of pods that must be near.
    pub affinity: Vec<usize>,
    /// Tallies of pods that must not be near.
    pub anti: Vec<usize>,
    /// Tallies of pods that had better be near, by weight.
    pub liked: Vec<(usize, i64)>,
    /// Whether its pods are themselves what they want to be near.
    pub first: bool,
    /// Terms of others that keep its pods away.
    pub forbidden: Vec<usize>,
    /// Terms of others that make its pods welcome, by weight.
    pub welcome: Vec<(usize, i64)>,
    /// What one of its pods changes where it is put.
    pub print: Print,
    /// Whether soft taints can tell places apart.
    pub tainted: bool,
    standings: Vec<Standing>,
    upto: usize,
    touched: usize,
}

impl Class {
    /// The class of a pod that asks for that.
    pub fn of(ask: Ask, pod: &Item<Pod>, board: &mut Board<'_>, profile: &Profile) -> Self {
        let spread = ask.spread.clone();
        let pair = |term: &Term| (term.namespaces.clone(), term.selector.clone());
        let all: Vec<_> = ask.neighbours.affinity.iter().map(pair).collect();
        let near =
            |terms, topology: &str| Question { topology: topology.to_owned(), terms, living: false, scope: None };
        let one = |term: &Term| vec![pair(term)];
        let neighbours = ask.neighbours.clone();
        let images = images::scores(&ask.images, board);
        let mut class = Self {
            hard: spread.hard.iter().map(|one| count(one, &spread.hard, true, &ask, board)).collect(),
            soft: spread.soft.iter().map(|one| count(one, &spread.soft, spread.all_labels, &ask, board)).collect(),
            affinity: neighbours.affinity.iter().map(|term| board.tally(near(all.clone(), &term.topology))).collect(),
            anti: neighbours.anti.iter().map(|term| board.tally(near(one(term), &term.topology))).collect(),
            liked: neighbours
                .liked
                .iter()
                .map(|(term, weight)| (board.tally(near(one(term), &term.topology)), *weight))
                .collect(),
            first: neighbours.affinity.iter().all(|term| term.matches(&ask.namespace, &ask.labels)),
            fixed: images
                .into_iter()
                .zip(&board.places)
                .map(|(images, place)| {
                    let refused = FILTERS.iter().filter(|filter| filter.fixed());
                    let labels = &place.node.object.labels;
                    let named = ask.preferred.iter();
                    let named = named.filter(|t| affinity::term_matches(&t.preference, labels, place.name()));
                    Fixed {
                        refused: refused.clone().find_map(|f| Some((*f, filter::fixed(*f, &ask, place)?))),
                        liked: named.map(|term| i64::from(term.weight)).sum(),
                        disliked: taints::disliked(place.taints(), &ask.tolerations),
                        images,
                    }
                })
                .collect(),
            forbidden: Vec::new(),
            welcome: Vec::new(),
            print: board.print(pod),
            tainted: false,
            standings: Vec::new(),
            upto: 0,
            touched: board.touched.len(),
            ask,
        };
        board.settle(&class.ask.namespace, &class.ask.labels);
        class.tainted = class.fixed.iter().any(|fixed| fixed.disliked > 0);
        class.standings = (0..board.places.len()).map(|at| class.look(board, at, profile)).collect();
        class.refresh(pod, board, profile);
        class
    }

    /// Looks at what the board has learnt since.
    pub fn refresh(&mut self, pod: &Item<Pod>, board: &Board<'_>, profile: &Profile) {
        board.refresh(&mut self.print, pod);
        for (at, owned) in board.owned.iter().enumerate().skip(self.upto) {
            if !owned.term.matches(&self.ask.namespace, &self.ask.labels) {
                continue;
            }
            match owned.kind {
                Kind::Anti => self.forbidden.push(at),
                Kind::Affinity if profile.hard_affinity_weight == 0 => {}
                Kind::Affinity => self.welcome.push((at, profile.hard_affinity_weight)),
                Kind::Liked(weight) => self.welcome.push((at, weight)),
            }
        }
        self.upto = board.owned.len();
        for at in board.touched.iter().skip(self.touched) {
            let now = self.look(board, *at, profile);
            if let Some(standing) = self.standings.get_mut(*at) {
                *standing = now;
            }
        }
        self.touched = board.touched.len();
    }

    fn look(&self, board: &Board<'_>, at: usize, profile: &Profile) -> Standing {
        let Some(place) = board.places.get(at) else { return Standing::default() };
        let room = self.refused(at).is_none() && filter::room(&self.ask, place);
        Standing { room, score: score::own(self, place, at, profile) }
    }

    /// What a place is to the class.
    pub fn standing(&self, at: usize) -> Standing {
        self.standings.get(at).copied().unwrap_or_default()
    }

    /// The rule that refuses a place whatever lies there, and why.
    pub fn refused(&self, at: usize) -> Option<(Filter, &'static str)> {
        self.fixed.get(at)?.refused
    }
}

/// The tally of one of several constraints of a pod.
fn count(constraint: &Constraint, all: &[Constraint], all_labels: bool, ask: &Ask, board: &mut Board<'_>) -> Count {
    let labels = if all_labels { all.iter().map(|one| one.topology.clone()).collect() } else { Vec::new() };
    let affinity = constraint.honour_affinity && (!ask.selector.is_empty() || ask.required.is_some());
    let scope = Scope {
        labels,
        affinity: affinity.then(|| (ask.selector.clone(), ask.required.clone())),
        tolerations: constraint.honour_taints.then(|| ask.tolerations.clone()),
    };
    let namespaces = Namespaces::Named([ask.namespace.clone()].into());
    let at = board.tally(Question {
        topology: constraint.topology.clone(),
        terms: vec![(namespaces, constraint.selector.clone())],
        living: true,
        scope: Some(scope),
    });
    Count { at, own: i64::from(constraint.selector.matches(&ask.labels)) }
}
