//! The rules of all Services, kept in pieces per Service.
//!
//! A change costs what its own Service costs. Where two Services claim one element (a
//! shared endpoint's hairpin, the same external address and port) the claims are kept
//! beside each other and the first by name is valid, so nothing depends on the order
//! of events.

use super::{Change, NodeInfo, Rule, RuleSet, Value, pieces};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use podium_types::Key;
use std::{collections::BTreeMap, sync::Arc};

/// All rules of a node and who claims them.
#[derive(Clone, Debug)]
pub struct Incremental {
    node: NodeInfo,
    pieces: BTreeMap<Key, BTreeMap<Rule, Value>>,
    claims: BTreeMap<Rule, BTreeMap<Key, Value>>,
    rules: RuleSet,
}

impl Incremental {
    /// No Services yet.
    pub fn new(node: NodeInfo) -> Self {
        Self { node, pieces: BTreeMap::new(), claims: BTreeMap::new(), rules: RuleSet::default() }
    }

    /// Takes in the present state of one Service (`None`: gone) and of the slices labelled with
    /// its name; returns what changes on the node.
    pub fn update(&mut self, key: &Key, service: Option<&Service>, slices: &[Arc<EndpointSlice>]) -> Vec<Change> {
        let new = service.map(|service| pieces(service, slices, &self.node)).unwrap_or_default();
        let old = self.pieces.remove(key).unwrap_or_default();
        let mut touched: Vec<Rule> = old.iter().filter(|(r, v)| new.get(r) != Some(v)).map(|(r, _)| *r).collect();
        touched.extend(new.keys().filter(|rule| !old.contains_key(rule)));
        touched.sort_unstable();
        let mut changes = Vec::new();
        for rule in touched {
            let claims = self.claims.entry(rule).or_default();
            match new.get(&rule) {
                Some(value) => claims.insert(key.clone(), *value),
                None => claims.remove(key),
            };
            let winner = claims.values().next().copied();
            if winner.is_none() {
                self.claims.remove(&rule);
            }
            let before = self.rules.rules.get(&rule).copied();
            if before != winner {
                changes.push(Change { rule, old: before, new: winner });
            }
        }
        self.rules.apply(&changes);
        if !new.is_empty() {
            self.pieces.insert(key.clone(), new);
        }
        changes
    }

    /// The rules as they stand.
    pub fn rule_set(&self) -> &RuleSet {
        &self.rules
    }
}
