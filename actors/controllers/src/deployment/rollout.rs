//! One step of a rollout: RollingUpdate and Recreate.

use super::{Draft, bounds::bounds};
use crate::{View, pods};

impl Draft<'_> {
    /// Grows the new set as far as the surge allows; otherwise shrinks the old ones as far
    /// as availability allows.
    pub(super) fn roll(&mut self, view: &View) {
        if self.give_birth(view) {
            return;
        }
        if self.grow_new() {
            return;
        }
        self.shrink_old();
        self.finish_rollout();
    }

    /// Ends the old pods, all of them, before it makes the first new one.
    pub(super) fn recreate(&mut self, view: &View) {
        let old: Vec<_> = self.active_old();
        if self.sets.new.is_some() {
            self.take_up();
        }
        if !old.is_empty() {
            old.iter().for_each(|name| self.resize(name, 0, false));
            return;
        }
        let owned = self.sets.old.iter().flat_map(|member| view.pods_of(member.set.uid()));
        if owned.into_iter().any(|pod| !pods::terminal(pod)) {
            return;
        }
        if self.give_birth(view) {
            return;
        }
        self.grow_new();
        self.finish_rollout();
    }

    fn finish_rollout(&mut self) {
        if self.complete() {
            self.clean_up();
        }
    }

    fn active_old(&self) -> Vec<String> {
        let active = self.sets.old.iter().filter(|member| member.replicas > 0);
        active.map(|member| member.set.key().name.clone()).collect()
    }

    /// Whether the new set was scaled.
    fn grow_new(&mut self) -> bool {
        let Some(new) = &self.sets.new else { return false };
        let (name, present) = (new.set.key().name.clone(), new.replicas);
        let replicas = self.replicas();
        let wanted = if present > replicas { replicas } else { self.room_for_new(present) };
        self.resize(&name, wanted, present == replicas);
        wanted != present
    }

    /// Takes unhealthy old pods first, which costs nothing, then as many healthy ones as
    /// the new available pods make up for.
    fn shrink_old(&mut self) {
        let Some(new) = &self.sets.new else { return };
        let least = self.replicas() - bounds(self.spec).unavailable;
        let mut spare = self.sets.total() - least - (new.replicas - new.lasting()).max(0);
        if spare <= 0 {
            return;
        }
        let mut sizes: Vec<(String, i32)> = Vec::new();
        for member in &self.sets.old {
            let unhealthy = (member.replicas - member.lasting()).min(spare).max(0);
            spare -= unhealthy;
            sizes.push((member.set.key().name.clone(), member.replicas - unhealthy));
        }
        let available: i32 = self.sets.all().map(|member| member.lasting()).sum();
        let mut surplus = available - least;
        for ((_, size), member) in sizes.iter_mut().zip(&self.sets.old) {
            // Deleting takes the unready first, so only what goes below the available costs.
            let take = surplus.max(0).min((*size).min(member.lasting()));
            if take > 0 && *size <= member.lasting() {
                *size -= take;
                surplus -= take;
            }
        }
        for (name, size) in sizes {
            self.resize(&name, size, false);
        }
    }
}
