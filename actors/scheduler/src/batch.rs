//! Places pods one after the other; each sees those placed before it.
//!
//! Pods with equal asks are one class, whose filters by node alone, tallies and failures are
//! found out once. A placement costs O(nodes), whatever runs already; a new tally costs one
//! walk over the pods of its namespaces.

use crate::{
    ask::{Ask, nominated},
    board::Board,
    class::Class,
    failure,
    filter::{self, Refusal},
    nominations::Nominations,
    preempt::{self, Candidate},
    profile::Profile,
    score,
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{Ids, View, view::Item};
use podium_types::Key;
use std::{collections::BTreeMap, sync::Arc};

/// How many classes a batch remembers; each holds a few words for every node.
const CLASS_LIMIT: usize = 128;

/// Where a pod goes.
#[derive(Debug)]
pub enum Placement<'a> {
    /// To a node.
    Node(String),
    /// To a node, once these claims have volumes there.
    Volumes(String, Vec<Key>),
    /// Nowhere for now.
    Failure(Failure<'a>),
}

/// Why a pod waits, and what is done about it.
#[derive(Clone, Debug, Default)]
pub struct Failure<'a> {
    /// In Kubernetes' words.
    pub why: String,
    /// Where room is made for it; an empty name takes an earlier one back.
    pub nominated: Option<String>,
    /// Who must go for it.
    pub victims: Vec<&'a Arc<Item<Pod>>>,
    /// Who no longer has room made there.
    pub displaced: Vec<&'a Arc<Item<Pod>>>,
}

/// One round of placing pods.
pub struct Batch<'a> {
    board: Board<'a>,
    profiles: &'a [Profile],
    nominations: Nominations<'a>,
    classes: Vec<(Class, Option<Failure<'a>>)>,
    by_trait: BTreeMap<(String, i64, i64, String), Vec<usize>>,
}

impl<'a> Batch<'a> {
    /// A round on the cluster as it is.
    pub fn new(view: &'a View, profiles: &'a [Profile]) -> Self {
        let board = Board::new(view);
        Self {
            nominations: Nominations::of(view, &board),
            board,
            profiles,
            classes: Vec::new(),
            by_trait: BTreeMap::new(),
        }
    }

    /// Places a pod. Ties are broken by `ids`.
    pub fn place(&mut self, pod: &'a Arc<Item<Pod>>, ids: &mut Ids) -> Option<Placement<'a>> {
        let name = podium_controllers::pods::scheduler(pod);
        let (at, profile) = self.profiles.iter().enumerate().find(|(_, profile)| profile.name == name)?;
        let number = self.class(pod, profile, at);
        let (class, failed) = self.classes.get(number)?;
        // Nothing is given back within a batch: what failed once fails again.
        if let Some(failed) = failed.as_ref().filter(|_| nominated(pod).is_none()) {
            return Some(Placement::Failure(failed.clone()));
        }
        if let Some(why) = class.ask.claims.obstacle.as_ref().filter(|_| !self.board.places.is_empty()) {
            let why = failure::obstacle(self.board.places.len(), why);
            return Some(Placement::Failure(Failure { why, ..Failure::default() }));
        }
        match self.find(class, pod, profile, ids) {
            Ok(at) => {
                let waiting = class.ask.claims.waiting.iter().filter(|claim| claim.selected.is_none());
                let waiting: Vec<Key> = waiting.map(|claim| claim.key.clone()).collect();
                let unbound = !class.ask.claims.waiting.is_empty();
                self.board.put(pod, class, at);
                self.nominations.drop(pod.key());
                let node = self.board.places.get(at)?.name().to_owned();
                Some(if unbound { Placement::Volumes(node, waiting) } else { Placement::Node(node) })
            }
            Err(refusals) => {
                let failure = self.make_room(number, pod, &refusals, ids);
                if failure.nominated.is_none()
                    && nominated(pod).is_none()
                    && let Some((_, failed)) = self.classes.get_mut(number)
                {
                    *failed = Some(failure.clone());
                }
                Some(Placement::Failure(failure))
            }
        }
    }

    /// The class of a pod, known or made, up to date with the board.
    fn class(&mut self, pod: &'a Arc<Item<Pod>>, profile: &Profile, at: usize) -> usize {
        let ask = Ask::of(pod, self.board.view, profile, at);
        let label = ask.labels.iter().next().map(|(key, value)| format!("{key}={value}")).unwrap_or_default();
        let traits = (ask.namespace.clone(), ask.requests.cpu, ask.requests.memory, label);
        let same = self.by_trait.get(&traits).into_iter().flatten();
        let known = same.copied().find(|number| self.classes.get(*number).is_some_and(|(class, _)| class.ask == ask));
        let number = known.unwrap_or_else(|| {
            if self.classes.len() >= CLASS_LIMIT {
                self.classes.clear();
                self.by_trait.clear();
            }
            self.classes.push((Class::of(ask, pod, &mut self.board, profile), None));
            self.by_trait.entry(traits).or_default().push(self.classes.len() - 1);
            self.classes.len() - 1
        });
        if let Some((class, _)) = self.classes.get_mut(number) {
            class.refresh(pod, &self.board, profile);
        }
        number
    }

    /// The best place, or why each is refused.
    fn find(
        &self,
        class: &Class,
        pod: &Item<Pod>,
        profile: &Profile,
        ids: &mut Ids,
    ) -> Result<usize, Vec<(usize, Refusal)>> {
        let refusal = |at: usize| {
            let reserved = self.nominations.reserved(pod, at);
            filter::refusal(&self.board, class, at, reserved.as_ref())
        };
        if let Some(at) = nominated(pod).and_then(|node| self.board.at(node))
            && refusal(at).is_none()
        {
            return Ok(at);
        }
        let fits = |at: &usize| {
            let reserved = self.nominations.reserved(pod, *at);
            filter::fits(&self.board, class, *at, reserved.as_ref())
        };
        let every = 0..self.board.places.len();
        let fitting: Vec<usize> = every.clone().filter(fits).collect();
        let scores = match fitting.as_slice() {
            [] => return Err(every.filter_map(|at| Some((at, refusal(at)?))).collect()),
            [only] => return Ok(*only),
            several => score::totals(&self.board, class, several, profile),
        };
        let best = scores.iter().copied().max().unwrap_or(0);
        let top: Vec<usize> =
            fitting.into_iter().zip(scores).filter(|(_, score)| *score == best).map(|(at, _)| at).collect();
        let count = u64::try_from(top.len()).unwrap_or(1).max(1);
        let pick = usize::try_from(ids.next() % count).unwrap_or(0);
        top.get(pick).copied().ok_or_else(Vec::new)
    }

    /// What is said and done about a pod that fits nowhere.
    fn make_room(
        &mut self,
        number: usize,
        pod: &'a Arc<Item<Pod>>,
        refusals: &[(usize, Refusal)],
        ids: &mut Ids,
    ) -> Failure<'a> {
        let mut failure = Failure { why: failure::message(refusals), ..Failure::default() };
        let Some((class, _)) = self.classes.get(number).filter(|_| !refusals.is_empty()) else { return failure };
        match preempt::preempt(&mut self.board, class, pod, refusals, &self.nominations, ids) {
            preempt::Outcome::Room(Candidate { at, victims, .. }) => {
                failure.displaced = self.nominations.below(pod, at);
                self.nominations.add(pod, at);
                failure.displaced.iter().for_each(|other| self.nominations.drop(other.key()));
                failure.nominated = self.board.places.get(at).map(|place| place.name().to_owned());
                failure.victims = victims;
            }
            preempt::Outcome::None(why) => {
                failure.why = format!("{} preemption: {why}", failure.why);
                if nominated(pod).is_some() {
                    self.nominations.drop(pod.key());
                    failure.nominated = Some(String::new());
                }
            }
            preempt::Outcome::Refused(why) => failure.why = format!("{} preemption: {why}", failure.why),
        }
        failure
    }
}
