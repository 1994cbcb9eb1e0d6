//! Makes a Job whenever a CronJob's schedule is due.
//!
//! What ran is read from the Jobs themselves: each carries the time that it was due at, and a
//! name made from it, so that no time can run twice, whatever crashes in between.

mod history;
mod schedule;

pub use schedule::{Schedule, zone};

use crate::{Controller, Ids, Plan, Refusal, View, job, owners, refusal, resource, time, view::Item, write};
use jiff::tz::TimeZone;
use k8s_openapi::api::{
    batch::v1::{CronJob, CronJobSpec, CronJobStatus, Job},
    core::v1::ObjectReference,
};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;
use std::sync::Arc;

/// Annotation of a Job: the time at which it was due.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// More missed times than this are worth a warning.
const MISSED_LIMIT: usize = 100;

/// The controller of CronJobs.
pub struct CronJobController;

impl Controller for CronJobController {
    fn name(&self) -> &'static str {
        "cronjob"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::CRON_JOBS, resource::JOBS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        if resource == resource::CRON_JOBS {
            return vec![event.object.key.clone()];
        }
        owners::keys_of_event(view, resource::CRON_JOBS, event, view.cron_jobs.of(""), |_, _| false)
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.cron_jobs.all().map(|cron| cron.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(cron) = view.cron_jobs.get(key) else { return Plan::default() };
        let spec = &cron.spec;
        let own = view.dependents.get(cron.uid()).filter(|(resource, _)| *resource == resource::JOBS);
        let own = own.filter_map(|(_, key)| view.jobs.get(key));
        let own = own.filter(|job| owners::controller(job.meta()).is_some_and(|owner| owner.uid == cron.uid()));
        let jobs: Vec<_> = own.collect();
        let status = status(cron, &jobs);
        let mut draft = Draft { view, cron, spec, jobs, status, now, plan: Plan::default() };
        draft.tell();
        draft.clean_up();
        if !cron.deleting() && spec.suspend != Some(true) {
            draft.run();
        }
        let current = cron.status.as_ref();
        // What ran is noted before old Jobs go, since they are where it is read from.
        let status = write::status(resource::CRON_JOBS, cron, current, &draft.status);
        draft.plan.writes.splice(0..0, status);
        draft.plan
    }
    fn refused(&self, view: &View, key: &Key, _now: Timestamp, refusals: &[Refusal]) -> Plan {
        let item = view.cron_jobs.get(key).into_iter();
        let events = item
            .flat_map(|item| {
                refusal::event(item, refusals, |refusal| format!("Error creating job: {}", refusal.error.message))
            })
            .collect();
        Plan { events, ..Plan::default() }
    }
}

/// A decision in the making.
struct Draft<'a> {
    view: &'a View,
    cron: &'a Item<CronJob>,
    spec: &'a CronJobSpec,
    /// The CronJob's own.
    jobs: Vec<&'a Arc<Item<Job>>>,
    status: CronJobStatus,
    now: Timestamp,
    plan: Plan,
}

/// What follows from the Jobs: which are at work, and when the last was due and was done.
fn status(cron: &Item<CronJob>, jobs: &[&Arc<Item<Job>>]) -> CronJobStatus {
    let mut status = cron.status.clone().unwrap_or_default();
    let active = jobs.iter().filter(|job| job::end(job).is_none()).map(|job| ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        namespace: Some(job.key().namespace.clone()),
        name: Some(job.key().name.clone()),
        uid: Some(job.uid().to_owned()),
        ..ObjectReference::default()
    });
    status.active = Some(active.collect()).filter(|list: &Vec<_>| !list.is_empty());
    let due = jobs.iter().filter_map(|job| due(job)).max();
    let noted = status.last_schedule_time.as_ref().map(|time| time.0);
    status.last_schedule_time = due.max(noted).map(time::stamp);
    let succeeded = jobs.iter().filter(|job| job::end(job) == Some(job::COMPLETE));
    let done = succeeded.filter_map(|job| job.status.as_ref()?.completion_time.as_ref()).map(|time| time.0).max();
    let noted = status.last_successful_time.as_ref().map(|time| time.0);
    status.last_successful_time = done.max(noted).map(time::stamp);
    status
}

/// The time at which a Job was due.
fn due(job: &Item<Job>) -> Option<Timestamp> {
    job.meta().annotations.as_ref()?.get(SCHEDULED)?.parse().ok()
}

impl Draft<'_> {
    fn event(&mut self, event_type: &'static str, reason: &'static str, message: String) {
        self.plan.events.push(write::event(self.cron, event_type, reason, message));
    }

    /// Starts what is due, and says when to look again.
    fn run(&mut self) {
        let schedule = match Schedule::parse(&self.spec.schedule) {
            Ok(schedule) => schedule,
            Err(why) => {
                let message = format!("unparseable schedule: {:?} : {why}", self.spec.schedule);
                return self.event("Warning", "UnparseableSchedule", message);
            }
        };
        let Some(zone) = zone(self.spec.time_zone.as_deref()) else {
            let name = self.spec.time_zone.as_deref().unwrap_or_default();
            return self.event("Warning", "UnknownTimeZone", format!("invalid timeZone: {name:?}"));
        };
        if let Some(due) = self.since().and_then(|since| schedule.last(since, self.now, &zone)) {
            self.warn(&schedule, &zone);
            self.start(due, &zone);
        }
        self.plan.wake_at = self.next(&schedule, &zone);
    }

    /// For `@every`, times count from the last one, not from the clock's hours.
    fn next(&self, schedule: &Schedule, zone: &TimeZone) -> Option<Timestamp> {
        let Schedule::Every(seconds) = schedule else { return schedule.next(self.now, zone) };
        let since = self.since()?;
        let elapsed = (self.now.as_second() - since.as_second()).max(0);
        time::after(since, (elapsed / seconds + 1) * seconds)
    }

    /// Times after this one may still be run.
    fn since(&self) -> Option<Timestamp> {
        let last = self.status.last_schedule_time.as_ref();
        let last = last.or(self.cron.meta().creation_timestamp.as_ref()).map(|time| time.0)?;
        let deadline = self.spec.starting_deadline_seconds;
        let earliest = deadline.and_then(|seconds| time::after(self.now, seconds.checked_neg()?));
        Some(earliest.map_or(last, |earliest| earliest.max(last)))
    }

    fn warn(&mut self, schedule: &Schedule, zone: &TimeZone) {
        let Some(since) = self.since() else { return };
        if schedule.missed(since, self.now, zone, MISSED_LIMIT + 1) > MISSED_LIMIT {
            let message =
                "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.event("Warning", "TooManyMissedTimes", message.to_owned());
        }
    }

    fn start(&mut self, due: Timestamp, zone: &TimeZone) {
        let active: Vec<_> = self.jobs.iter().copied().filter(|job| job::end(job).is_none()).collect();
        let policy = self.spec.concurrency_policy.as_deref().unwrap_or("Allow");
        if policy == "Forbid" && !active.is_empty() {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            return self.event("Normal", "JobAlreadyActive", message.to_owned());
        }
        let own = self.cron.key();
        let name = format!("{}-{}", own.name, due.as_second().div_euclid(60));
        if self.view.jobs.get(&Key::new(own.namespace.as_str(), name.as_str())).is_some() {
            // Run already, or a stranger's: this time is over either way.
            self.status.last_schedule_time = Some(time::stamp(due));
            return;
        }
        if policy == "Replace" {
            for job in active.into_iter().filter(|job| !job.deleting()) {
                self.remove(job);
            }
        }
        let template = self.cron.object.value()["spec"]["jobTemplate"].take();
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": template["spec"],
            "metadata": {"name": name, "namespace": own.namespace, "ownerReferences": [owners::reference(self.cron)]}});
        for field in ["labels", "annotations"] {
            if template["metadata"][field].is_object() {
                job["metadata"][field] = template["metadata"][field].clone();
            }
        }
        let local = due.to_zoned(zone.clone());
        let offset = if *zone == TimeZone::UTC { "Z".to_owned() } else { local.strftime("%:z").to_string() };
        let stamp = format!("{}{offset}", local.strftime("%Y-%m-%dT%H:%M:%S"));
        crate::template::mark(&mut job, "annotations", SCHEDULED, stamp);
        self.plan.writes.push(write::create(resource::JOBS, job));
        self.plan.note = format!("starting job {name}");
        self.event("Normal", "SuccessfulCreate", format!("Created job {name}"));
    }
}
