//! The status of an autoscaler while it is being made, and what is told of it.

use crate::{EventRecord, Plan, PlannedWrite, resource, time, view::Item, write};
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus,
};
use podium_types::Timestamp;
use std::sync::Arc;

/// Whether the target can be read and written.
pub const ABLE: &str = "AbleToScale";
/// Whether the metrics say anything.
pub const ACTIVE: &str = "ScalingActive";
/// Whether a limit stands in the way.
pub const LIMITED: &str = "ScalingLimited";

/// See the module.
pub struct Draft<'a> {
    hpa: &'a Arc<Item<HorizontalPodAutoscaler>>,
    now: Timestamp,
    /// What the status will be.
    pub status: HorizontalPodAutoscalerStatus,
    events: Vec<EventRecord>,
    warnings: Vec<(&'static str, String)>,
    note: String,
}

impl<'a> Draft<'a> {
    /// From what the status is.
    pub fn new(hpa: &'a Arc<Item<HorizontalPodAutoscaler>>, now: Timestamp) -> Self {
        let status = hpa.status.clone().unwrap_or_default();
        Self { hpa, now, status, events: Vec::new(), warnings: Vec::new(), note: String::new() }
    }
    /// Sets a condition.
    pub fn set(&mut self, kind: &str, holds: bool, reason: &str, message: &str) {
        let word = if holds { "True" } else { "False" };
        let list = self.status.conditions.get_or_insert_default();
        let place = list.iter().position(|condition| condition.type_ == kind).unwrap_or_else(|| {
            list.push(HorizontalPodAutoscalerCondition { type_: kind.to_owned(), ..Default::default() });
            list.len() - 1
        });
        let Some(condition) = list.get_mut(place) else { return };
        if condition.status != word {
            condition.status = word.to_owned();
            condition.last_transition_time = Some(time::stamp(self.now));
        }
        condition.reason = Some(reason.to_owned());
        condition.message = Some(message.to_owned());
    }
    /// Sets a condition to false, and warns with the same reason.
    pub fn fail(&mut self, kind: &str, reason: &'static str, message: String, event: String) {
        self.fail_as(kind, reason, message, reason, event);
    }
    /// The same, with a reason of the event's own.
    pub fn fail_as(
        &mut self,
        kind: &str,
        reason: &'static str,
        message: String,
        event_reason: &'static str,
        event: String,
    ) {
        self.set(kind, false, reason, &message);
        self.warn(event_reason, event);
    }
    /// Warns, if this sync says anything that the one before did not.
    pub fn warn(&mut self, reason: &'static str, message: String) {
        self.warnings.push((reason, message));
    }
    /// Tells of something done.
    pub fn note(&mut self, reason: &'static str, message: String) {
        self.note.clone_from(&message);
        self.events.push(write::event(self.hpa, "Normal", reason, message));
    }
    /// The plan of the status alone.
    pub fn plan(self) -> Plan {
        self.plan_with(Vec::new())
    }
    /// The plan of other writes, and then of the status.
    pub fn plan_with(mut self, mut writes: Vec<PlannedWrite>) -> Plan {
        let reasons = |status: &HorizontalPodAutoscalerStatus| {
            let list = status.conditions.clone().unwrap_or_default();
            list.into_iter().map(|c| (c.type_, c.reason, c.message)).collect::<Vec<_>>()
        };
        // What goes on being wrong is told once.
        if self.hpa.status.as_ref().map(reasons) != Some(reasons(&self.status)) {
            let warnings = self.warnings.drain(..);
            self.events.extend(warnings.map(|(reason, message)| write::event(self.hpa, "Warning", reason, message)));
        }
        if let Some(mut status) = write::status(resource::AUTOSCALERS, self.hpa, self.hpa.status.as_ref(), &self.status)
        {
            if !writes.is_empty() {
                status.any_revision();
            }
            writes.push(status);
        }
        Plan { writes, events: self.events, note: self.note, ..Plan::default() }
    }
}
