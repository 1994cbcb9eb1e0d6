//! Which pods must go so that a more important one can come.

mod budgets;
mod choice;

pub use choice::Candidate;

use crate::{
    ask::{nominated, priority},
    board::{Board, Print},
    class::Class,
    failure,
    filter::{self, Refusal},
    nominations::Nominations,
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{Ids, pods, view::Item};
use std::{borrow::Cow, sync::Arc};

/// Nodes that are looked at, at least; a tenth of all where that is more.
const CANDIDATE_LIMIT: usize = 100;
/// What a node says that has no one less important.
const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

/// Whether room can be made.
pub enum Outcome<'a> {
    /// There, by these pods going.
    Room(Candidate<'a>),
    /// Nowhere; what Kubernetes says about it after `preemption: `.
    None(String),
    /// The pod may not ask for it now; why.
    Refused(&'static str),
}

/// Why a pod may not push others out.
fn ineligible(
    pod: &Item<Pod>,
    class: &Class,
    board: &Board<'_>,
    refusals: &[(usize, Refusal)],
) -> Option<&'static str> {
    if class.ask.peaceful {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let node = nominated(pod)?;
    let hopeless = refusals
        .iter()
        .any(|(at, refusal)| !refusal.resolvable && board.places.get(*at).is_some_and(|place| place.name() == node));
    if hopeless {
        return None;
    }
    let mut leaving = board.view.pods_on(node).filter(|other| {
        let disrupted = pods::condition(other, "DisruptionTarget");
        let by_us = disrupted.is_some_and(|c| c.reason.as_deref() == Some("PreemptionByScheduler"));
        other.deleting() && by_us && priority(other) < class.ask.priority
    });
    leaving.next().map(|_| "not eligible due to terminating pod on the nominated node.")
}

/// Finds the node where making room for a pod costs least.
pub fn preempt<'a>(
    board: &mut Board<'a>,
    class: &Class,
    pod: &Item<Pod>,
    refusals: &[(usize, Refusal)],
    nominations: &Nominations<'_>,
    ids: &mut Ids,
) -> Outcome<'a> {
    if let Some(why) = ineligible(pod, class, board, refusals) {
        return Outcome::Refused(why);
    }
    let nodes = board.places.len();
    let helpful: Vec<usize> = refusals.iter().filter(|(_, refusal)| refusal.resolvable).map(|(at, _)| *at).collect();
    let limit = CANDIDATE_LIMIT.max(nodes / 10);
    let offset = match u64::try_from(helpful.len()) {
        Ok(count @ 1..) if helpful.len() > limit => usize::try_from(ids.next() % count).unwrap_or(0),
        _ => 0,
    };
    let mut candidates = Vec::new();
    let mut failures: Vec<Cow<'static, str>> = Vec::new();
    let mut harmless = false;
    for at in helpful.iter().cycle().skip(offset).take(helpful.len()) {
        if candidates.len() >= limit && harmless {
            break;
        }
        match victims(board, class, pod, *at, nominations) {
            Ok(candidate) => {
                harmless |= candidate.violations == 0;
                candidates.push(candidate);
            }
            Err(reasons) => failures.extend(reasons),
        }
    }
    match choice::best(candidates) {
        Some(candidate) => Outcome::Room(candidate),
        None => {
            let hopeless = nodes.saturating_sub(helpful.len());
            Outcome::None(failure::no_room(nodes, &failures, hopeless))
        }
    }
}

/// The fewest and least important pods of a node that must go, or why that does not help.
fn victims<'a>(
    board: &mut Board<'a>,
    class: &Class,
    pod: &Item<Pod>,
    at: usize,
    nominations: &Nominations<'_>,
) -> Result<Candidate<'a>, Vec<Cow<'static, str>>> {
    let Some(place) = board.places.get(at) else { return Err(Vec::new()) };
    let view = board.view;
    let lower = view.pods_on(&place.node.key().name).filter(|other| !pods::terminal(other));
    let mut lower: Vec<&'a Arc<Item<Pod>>> = lower.filter(|other| priority(other) < class.ask.priority).collect();
    if lower.is_empty() {
        return Err(vec![Cow::Borrowed(NO_VICTIMS)]);
    }
    lower.sort_by_key(|pod| choice::importance(pod));
    let (violating, harmless) = budgets::split(view, &lower);
    let prints: Vec<(Print, &'a Arc<Item<Pod>>)> =
        violating.iter().chain(&harmless).map(|pod| (board.print(pod), *pod)).collect();
    for (print, _) in &prints {
        board.shift(print, at, -1);
    }
    let reserved = nominations.reserved(pod, at);
    let outcome = match filter::refusal(board, class, at, reserved.as_ref()) {
        Some(refusal) => Err(refusal.reasons),
        None => {
            let mut going = Vec::new();
            let mut violations = 0;
            for (number, (print, victim)) in prints.iter().enumerate() {
                board.shift(print, at, 1);
                if filter::refusal(board, class, at, reserved.as_ref()).is_some() {
                    board.shift(print, at, -1);
                    violations += usize::from(number < violating.len());
                    going.push((number, *victim));
                }
            }
            Ok((going, violations))
        }
    };
    // As it was before: those that stayed are back already.
    let gone: Vec<usize> = match &outcome {
        Ok((going, _)) => going.iter().map(|(number, _)| *number).collect(),
        Err(_) => (0..prints.len()).collect(),
    };
    for (print, _) in gone.iter().filter_map(|number| prints.get(*number)) {
        board.shift(print, at, 1);
    }
    outcome.map(|(going, violations)| {
        let mut victims: Vec<&'a Arc<Item<Pod>>> = going.into_iter().map(|(_, victim)| victim).collect();
        victims.sort_by_key(|pod| choice::importance(pod));
        Candidate { at, victims, violations }
    })
}
