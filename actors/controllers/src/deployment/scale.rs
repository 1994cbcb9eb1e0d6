//! Scaling: of one ReplicaSet, and of several in proportion when a rollout is under way.

use super::{Draft, annotations, bounds::bounds, sets::Member};
use crate::{resource, write};
use serde_json::json;
use std::cmp::Reverse;

impl Draft<'_> {
    /// How many replicas the new set may have, given that it has `present`.
    pub(super) fn room_for_new(&self, present: i32) -> i32 {
        if self.recreates() {
            return self.replicas();
        }
        let most = self.replicas() + bounds(self.spec).surge;
        let room = (most - self.sets.total()).max(0);
        present + room.min(self.replicas() - present).max(0)
    }

    /// Brings the sets to the deployment's size without going on with a rollout.
    pub(super) fn scale(&mut self) {
        let replicas = self.replicas();
        if let Some(name) = self.only_active() {
            self.resize(&name, replicas, true);
            return;
        }
        if self.sets.new.as_ref().is_some_and(|new| self.saturated(new)) {
            let old: Vec<_> = self.sets.old.iter().filter(|m| m.replicas > 0).map(name).collect();
            old.iter().for_each(|name| self.resize(name, 0, true));
            return;
        }
        if !self.recreates() {
            for (name, size) in self.proportions() {
                self.resize(&name, size, true);
            }
        }
    }

    /// The one set that has replicas; where none has, the new one or the youngest.
    fn only_active(&self) -> Option<String> {
        let mut active = self.sets.all().filter(|member| member.replicas > 0);
        match (active.next(), active.next()) {
            (Some(one), None) => Some(name(one)),
            (None, _) => self.sets.new.as_ref().or(self.sets.old.last()).map(name),
            _ => None,
        }
    }

    /// Whether a set is all that the deployment wants.
    fn saturated(&self, member: &Member<'_>) -> bool {
        let replicas = self.replicas();
        let noted = annotations::desired(member.set);
        noted == Some(replicas) && member.replicas == replicas && member.available() == replicas
    }

    /// New sizes that keep the sets' shares; what rounding leaves goes to the largest.
    fn proportions(&self) -> Vec<(String, i32)> {
        let replicas = self.replicas();
        let surge = bounds(self.spec).surge;
        let allowed = if replicas > 0 { replicas + surge } else { 0 };
        let mut active: Vec<_> = self.sets.all().filter(|member| member.replicas > 0).collect();
        let to_add = allowed - active.iter().map(|member| member.replicas).sum::<i32>();
        if to_add > 0 {
            active.sort_by_key(|m| (Reverse(m.replicas), Reverse(m.created())));
        } else {
            active.sort_by_key(|m| (Reverse(m.replicas), m.created()));
        }
        let mut added = 0;
        let mut sizes: Vec<(String, i32)> = Vec::new();
        for member in active {
            let share = if to_add == added { 0 } else { self.share(member, replicas, surge) };
            let rest = to_add - added;
            let share = if to_add > 0 { share.clamp(0, rest) } else { share.clamp(rest.min(0), 0) };
            added += share;
            sizes.push((name(member), member.replicas + share));
        }
        if let Some((_, size)) = sizes.first_mut() {
            *size = (*size + to_add - added).max(0);
        }
        sizes
    }

    /// By how much a set would grow or shrink if it kept its share of the deployment.
    fn share(&self, member: &Member<'_>, replicas: i32, surge: i32) -> i32 {
        if replicas == 0 {
            return -member.replicas;
        }
        let status = self.deployment.status.as_ref().and_then(|status| status.replicas);
        let before = annotations::max(member.set).filter(|max| *max > 0).or(status).unwrap_or(0);
        if before <= 0 {
            return 0;
        }
        let (size, before) = (i64::from(member.replicas) * i64::from(replicas + surge), i64::from(before));
        let rounded = (2 * size + before) / (2 * before);
        i32::try_from(rounded).unwrap_or(i32::MAX).saturating_sub(member.replicas)
    }

    /// Plans that a set has `size` replicas, notes for which size of the deployment that is,
    /// and tells of it. With `note` also where the size stays.
    pub(super) fn resize(&mut self, set: &str, size: i32, note: bool) {
        let desired = self.replicas();
        let most = desired + bounds(self.spec).surge;
        let Some(member) = self.sets.all_mut().find(|m| m.set.key().name == set) else { return };
        let before = member.replicas;
        let notes = annotations::sizes(member.set, desired, most);
        if before == size && (!note || notes.is_empty()) {
            return;
        }
        member.replicas = size;
        let mut patch = json!({});
        if before != size {
            patch["spec"]["replicas"] = json!(size);
        }
        if !notes.is_empty() {
            patch["metadata"]["annotations"] = notes.into();
        }
        let mut write = write::patch(resource::REPLICA_SETS, "", member.set, patch);
        // Annotations of the same set may come before this in the plan. Replicas are the
        // deployment's to set, so a status written meanwhile is no reason to hold back.
        write.any_revision();
        self.plan.writes.push(write);
        if before != size {
            self.announce(if size > before { "up" } else { "down" }, set, before, size);
        }
    }

    /// Records that a set was scaled.
    pub(super) fn announce(&mut self, direction: &str, set: &str, from: i32, to: i32) {
        let message = format!("Scaled {direction} replica set {set} from {from} to {to}");
        self.plan.note.clone_from(&message);
        self.plan.events.push(write::event(self.deployment, "Normal", "ScalingReplicaSet", message));
    }
}

fn name(member: &Member<'_>) -> String {
    member.set.key().name.clone()
}
