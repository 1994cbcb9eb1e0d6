//! What becomes of a CronJob's finished Jobs.

use super::Draft;
use crate::{job, resource, view::Item, write};
use k8s_openapi::api::batch::v1::Job;

impl Draft<'_> {
    /// Tells of Jobs that have ended since the status was written.
    pub(super) fn tell(&mut self) {
        let listed = self.cron.status.as_ref().and_then(|status| status.active.as_ref());
        let listed: Vec<_> = listed.into_iter().flatten().filter_map(|reference| reference.uid.as_deref()).collect();
        let ended = self.jobs.iter().filter(|job| listed.contains(&job.uid()));
        let ended: Vec<_> = ended.filter_map(|job| Some((job.key().name.clone(), job::end(job)?))).collect();
        for (name, end) in ended {
            let message = format!("Saw completed job: {name}, condition: {end}");
            self.event("Normal", "SawCompletedJob", message);
        }
    }

    /// Deletes the oldest finished Jobs beyond the limits.
    pub(super) fn clean_up(&mut self) {
        let limits = [
            (job::COMPLETE, self.spec.successful_jobs_history_limit),
            (job::FAILED, self.spec.failed_jobs_history_limit),
        ];
        for (end, limit) in limits {
            let Some(limit) = limit else { continue };
            let mut list: Vec<_> = self.jobs.iter().copied().filter(|job| job::end(job) == Some(end)).collect();
            list.sort_by_key(|job| {
                let started = job.status.as_ref().and_then(|status| status.start_time.as_ref());
                (started.map(|time| time.0), job.key().clone())
            });
            let excess = list.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
            for job in list.into_iter().take(excess).filter(|job| !job.deleting()) {
                self.remove(job);
            }
        }
    }

    /// Plans that a Job goes, and its pods with it.
    pub(super) fn remove(&mut self, job: &Item<Job>) {
        self.plan.writes.push(write::delete(resource::JOBS, job));
        self.event("Normal", "SuccessfulDelete", format!("Deleted job {}", job.key().name));
    }
}
