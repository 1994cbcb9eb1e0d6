//! Whether the rules that somebody has cover the rules that he wants to give away.

use super::rule::{ALL, Rule, holds, reaches};
use std::collections::BTreeMap;

/// The parts of `wanted` that no rule of `owned` covers, each as simple as can be.
pub fn missing<'a>(owned: impl Iterator<Item = &'a Rule> + Clone, wanted: impl Iterator<Item = &'a Rule>) -> Vec<Rule> {
    let simple = wanted.flat_map(break_down);
    simple.filter(|part| !owned.clone().any(|rule| covers(rule, part))).collect()
}

/// Rules of one verb, one group, one resource and at most one name; or of one verb and one path.
fn break_down(rule: &Rule) -> Vec<Rule> {
    let mut parts = Vec::new();
    let one = |word: &String| vec![word.clone()];
    for verb in &rule.verbs {
        for (group, resource) in rule.groups.iter().flat_map(|g| rule.resources.iter().map(move |r| (g, r))) {
            let part = Rule { verbs: one(verb), groups: one(group), resources: one(resource), ..Rule::default() };
            if rule.names.is_empty() {
                parts.push(part);
            } else {
                parts.extend(rule.names.iter().map(|name| Rule { names: one(name), ..part.clone() }));
            }
        }
        parts.extend(rule.urls.iter().map(|url| Rule { verbs: one(verb), urls: one(url), ..Rule::default() }));
    }
    parts
}

/// Whether `owner` allows everything that a simple rule allows.
fn covers(owner: &Rule, part: &Rule) -> bool {
    let all = |list: &[String], words: &[String]| words.iter().all(|word| holds(list, word));
    all(&owner.verbs, &part.verbs)
        && all(&owner.groups, &part.groups)
        && part.resources.iter().all(|resource| covers_resource(&owner.resources, resource))
        && part.urls.iter().all(|url| owner.urls.iter().any(|own| reaches(own, url)))
        && (owner.names.is_empty() || !part.names.is_empty() && part.names.iter().all(|n| owner.names.contains(n)))
}

fn covers_resource(owned: &[String], resource: &str) -> bool {
    let any = |(_, sub): (&str, &str)| owned.iter().any(|r| r.strip_prefix("*/") == Some(sub));
    owned.iter().any(|r| r == ALL || r == resource) || resource.split_once('/').is_some_and(any)
}

/// Joins the verbs of simple rules for the same resource and name; sorted, for people to read.
pub fn compact(rules: Vec<Rule>) -> Vec<Rule> {
    let mut joined: BTreeMap<Rule, Vec<String>> = BTreeMap::new();
    let mut others = Vec::new();
    for mut rule in rules {
        if rule.urls.is_empty() {
            let verbs = std::mem::take(&mut rule.verbs);
            let known = joined.entry(rule).or_default();
            let fresh: Vec<String> = verbs.into_iter().filter(|verb| !known.contains(verb)).collect();
            known.extend(fresh);
        } else {
            others.push(rule);
        }
    }
    others.extend(joined.into_iter().map(|(rule, verbs)| Rule { verbs, ..rule }));
    others
}
