//! Whether a Job is over, and why.

use super::{Draft, Indexes, conditions, failure, failure::Effect, length, tracked};
use crate::{pods, resource, time, write};

/// `backoffLimit` where none is named.
const DEFAULT_BACKOFF_LIMIT: i32 = 6;

/// How a Job ends.
pub struct Verdict {
    /// Whether it has succeeded.
    success: bool,
    reason: String,
    message: String,
}

fn failure(reason: &str, message: &str) -> Option<Verdict> {
    Some(Verdict { success: false, reason: reason.to_owned(), message: message.to_owned() })
}

impl Draft<'_> {
    /// The end of the Job, where it is reached or was reached before.
    pub(super) fn verdict(&mut self) -> Option<Verdict> {
        let conditions = self.status.conditions.as_deref().unwrap_or_default();
        for (kind, success) in [(conditions::FAILURE_TARGET, false), (conditions::CRITERIA_MET, true)] {
            if let Some(condition) = conditions::find(conditions, kind).filter(|c| c.status == "True") {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                return Some(Verdict { success, reason: text(&condition.reason), message: text(&condition.message) });
            }
        }
        self.by_policy()
            .or_else(|| self.by_limit())
            .or_else(|| self.by_deadline())
            .or_else(|| self.by_indexes())
            .or_else(|| self.by_success_policy())
            .or_else(|| self.by_completions())
    }

    fn by_policy(&self) -> Option<Verdict> {
        let failed = self.pods.iter().filter(|pod| tracked(pod) && self.has_failed(pod));
        failed.map(|pod| failure::effect(self.spec, pod)).find_map(|effect| match effect {
            Effect::FailJob(message) => failure("PodFailurePolicy", &message),
            _ => None,
        })
    }

    fn by_limit(&self) -> Option<Verdict> {
        let per_index = self.spec.backoff_limit_per_index.is_some();
        let limit = self.spec.backoff_limit.unwrap_or(if per_index { i32::MAX } else { DEFAULT_BACKOFF_LIMIT });
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        let failed = self.status.failed.unwrap_or(0) + uncounted.map_or(0, |u| length(u.failed.as_ref())) + self.fresh;
        let policy = self.spec.template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
        // Where containers are started again in their pod, their restarts are what fails.
        let restarts: i32 = self.active().map(|pod| pods::restarts(pod)).fold(0, i32::saturating_add);
        let tired = policy == Some("OnFailure") && restarts > 0 && restarts >= limit;
        (failed > limit || tired)
            .then(|| failure("BackoffLimitExceeded", "Job has reached the specified backoff limit"))
            .flatten()
    }

    fn by_deadline(&mut self) -> Option<Verdict> {
        let seconds = self.spec.active_deadline_seconds.filter(|_| !self.suspended())?;
        let due = time::after(self.status.start_time.as_ref()?.0, seconds)?;
        if due > self.now {
            self.plan.wake_at = time::earliest(self.plan.wake_at, Some(due));
            return None;
        }
        failure("DeadlineExceeded", "Job was active longer than specified deadline")
    }

    fn by_indexes(&self) -> Option<Verdict> {
        self.spec.backoff_limit_per_index?;
        if self.spec.max_failed_indexes.is_some_and(|most| self.failed.len() > most) {
            return failure(
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            );
        }
        let all = self.completed.len() + self.failed.len() >= self.spec.completions.unwrap_or(0);
        (all && !self.failed.is_empty()).then(|| failure("FailedIndexes", "Job has failed indexes")).flatten()
    }

    fn by_success_policy(&self) -> Option<Verdict> {
        let rules = self.spec.success_policy.iter().flat_map(|policy| &policy.rules);
        let end = self.spec.completions.unwrap_or(0);
        let met = |rule: &k8s_openapi::api::batch::v1::SuccessPolicyRule| {
            let wanted = rule.succeeded_indexes.as_deref().map(|text| Indexes::parse(text, end));
            let done = wanted.as_ref().map_or(self.completed.len(), |wanted| wanted.common(&self.completed));
            let count = rule.succeeded_count.or(wanted.as_ref().map(Indexes::len));
            count.is_some_and(|count| done >= count)
        };
        let at = rules.enumerate().find(|(_, rule)| self.indexed() && met(rule)).map(|(at, _)| at)?;
        let message = format!("Matched rules at index {at}");
        Some(Verdict { success: true, reason: "SuccessPolicy".to_owned(), message })
    }

    fn by_completions(&self) -> Option<Verdict> {
        let done = match self.spec.completions {
            // A work queue is empty once one has succeeded and none is at work.
            None => self.succeeded() > 0 && self.active().next().is_none(),
            Some(completions) if self.indexed() => self.completed.len() >= completions,
            Some(completions) => self.succeeded() >= completions,
        };
        done.then(|| Verdict {
            success: true,
            reason: "CompletionsReached".to_owned(),
            message: "Reached expected number of succeeded pods".to_owned(),
        })
    }

    /// Ends what still runs; once all is gone and counted, the Job has ended.
    pub(super) fn conclude(&mut self, verdict: &Verdict) {
        let (target, end) = if verdict.success {
            (conditions::CRITERIA_MET, conditions::COMPLETE)
        } else {
            (conditions::FAILURE_TARGET, conditions::FAILED)
        };
        let mut list = self.status.conditions.take().unwrap_or_default();
        conditions::set(&mut list, (target, "True"), &verdict.reason, &verdict.message, self.now);
        if !verdict.success {
            self.tally(true);
        }
        let rest: Vec<_> = self.active().collect();
        for pod in &rest {
            self.let_go.extend(tracked(pod).then(|| (pod.key().clone(), *pod)));
            self.last.push(write::delete(resource::PODS, pod));
        }
        let waiting = self.pods.iter().copied().filter(|pod| tracked(pod) && pod.deleting());
        let waiting: Vec<_> = waiting.map(|pod| (pod.key().clone(), pod)).collect();
        self.let_go.extend(waiting);
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        let counted = uncounted.is_none_or(|u| length(u.succeeded.as_ref()) + length(u.failed.as_ref()) == 0);
        if rest.is_empty() && self.terminating() == 0 && counted && self.let_go.is_empty() {
            if verdict.success {
                self.status.completion_time = Some(time::stamp(self.now));
            }
            conditions::set(&mut list, (end, "True"), &verdict.reason, &verdict.message, self.now);
            if verdict.success {
                self.event("Normal", "Completed", "Job completed".to_owned());
            } else {
                self.event("Warning", reason_of(&verdict.reason), verdict.message.clone());
            }
        }
        self.plan.note = format!("{end}: {}", verdict.reason);
        self.status.conditions = Some(list);
    }
}

/// Reasons of events are static; these are all that a failure can have.
fn reason_of(reason: &str) -> &'static str {
    let known =
        ["PodFailurePolicy", "BackoffLimitExceeded", "DeadlineExceeded", "MaxFailedIndexesExceeded", "FailedIndexes"];
    known.into_iter().find(|known| *known == reason).unwrap_or("Failed")
}
