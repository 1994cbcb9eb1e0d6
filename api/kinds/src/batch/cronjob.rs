//! CronJob: a Job at every time of a schedule.

use super::{schedule, spec};
use crate::{
    Column, Context, Face, Kind, Strategy, Subresource,
    apps::workload,
    cells,
    json::{at, is_unset, items, plain, set, set_default, text},
    names, pod,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// Finished Jobs that are kept.
const SUCCESSFUL_KEPT: i64 = 3;
const FAILED_KEPT: i64 = 1;
/// A name with room for the time that a Job's name adds.
const MAX_NAME: usize = 52;

/// batch/v1 CronJob.
pub static KIND: Kind = Kind {
    group: "batch",
    kind: "CronJob",
    list_kind: "CronJobList",
    plural: "cronjobs",
    singular: "cronjob",
    short_names: &["cj"],
    categories: &["all"],
    resource: "cronjobs.batch",
    schema: "io.k8s.api.batch.v1.CronJob",
    subresources: &[Subresource::part("status", "CronJob")],
    columns: &[
        Column::NAME,
        Column::text("Schedule"),
        Column::text("Timezone"),
        Column::text("Suspend"),
        Column::integer("Active"),
        Column::text("Last Schedule"),
        Column::AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ],
    row,
    generation: true,
    strategy: &CronJob,
    ..Kind::PLAIN
};

/// batch/v1beta1 CronJob, for clients of older clusters.
static BETA_KIND: Kind = Kind { versions: &["v1beta1"], schema: "io.k8s.api.batch.v1beta1.CronJob", ..KIND };

/// The same fields in both versions.
pub static BETA: Face = Face { shown: &BETA_KIND, stored: &KIND, to_stored: |_| {}, from_stored: |_| {} };

struct CronJob;

impl Strategy for CronJob {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        set_default(spec, "concurrencyPolicy", "Allow");
        set_default(spec, "suspend", false);
        set_default(spec, "successfulJobsHistoryLimit", SUCCESSFUL_KEPT);
        set_default(spec, "failedJobsHistoryLimit", FAILED_KEPT);
        if let Some(job) = spec.get_mut("jobTemplate").and_then(|t| t.get_mut("spec")) {
            spec::template_defaults(job);
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        schedule(&mut errors, spec);
        let policies = &["Allow", "Forbid", "Replace"];
        rules::required_one_of(&mut errors, &spec["concurrencyPolicy"], "spec.concurrencyPolicy", policies);
        let numbers = ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"];
        rules::not_negative(&mut errors, spec, "spec", &numbers);
        let job = at(spec, "jobTemplate.spec");
        spec::validate(&mut errors, job, "spec.jobTemplate.spec");
        rules::labels(&mut errors, at(spec, "jobTemplate.metadata.labels"), "spec.jobTemplate.metadata.labels");
        if !job["selector"].is_null() {
            let path = "spec.jobTemplate.spec.selector";
            errors.push(FieldError::invalid(path, &job["selector"], "`selector` will be auto-generated"));
        }
        if job["manualSelector"] == json!(true) {
            let path = "spec.jobTemplate.spec.manualSelector";
            errors.push(FieldError::not_supported(path, &json!(true), &["nil", "false"]));
        }
        errors
    }

    fn validate_name(&self, name: &str) -> Result<(), String> {
        names::dns_subdomain(name)?;
        if name.len() > MAX_NAME { Err(format!("must be no more than {MAX_NAME} characters")) } else { Ok(()) }
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod::spec_warnings(at(object, "spec.jobTemplate.spec.template.spec"), "spec.jobTemplate.spec.template.spec")
    }
}

fn schedule(errors: &mut Errors, spec: &Value) {
    let (when, zone) = (text(&spec["schedule"]), &spec["timeZone"]);
    if when.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if when.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.push(FieldError::invalid("spec.schedule", &spec["schedule"], why));
    } else {
        rules::form(errors, schedule::check(when), "spec.schedule", when);
    }
    if zone.is_null() {
        return;
    }
    let name = text(zone);
    let why = if name.is_empty() {
        "timeZone must be nil or non-empty string".to_owned()
    } else if name.eq_ignore_ascii_case("local") {
        "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones".to_owned()
    } else if is_zone_name(name) {
        return;
    } else {
        format!("unknown time zone {name}")
    };
    errors.push(FieldError::invalid("spec.timeZone", zone, &why));
}

/// The form of names in the time zone database; whether it has such a zone the controller finds out.
fn is_zone_name(name: &str) -> bool {
    name.split('/').all(|part| {
        part.bytes().all(|c| c.is_ascii_alphanumeric() || b"_+-".contains(&c))
            && part.bytes().next().is_some_and(|c| c.is_ascii_alphabetic())
    })
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let last = match text(&status["lastScheduleTime"]) {
        "" => cells::NONE.to_owned(),
        _ => cells::since(&status["lastScheduleTime"], now),
    };
    let suspended = plain(&spec["suspend"]);
    let mut cells = vec![
        cells::name(object),
        json!(text(&spec["schedule"])),
        json!(cells::or_none(&spec["timeZone"])),
        json!(if is_unset(&spec["suspend"]) {
            cells::NONE
        } else if suspended == "true" {
            "True"
        } else {
            "False"
        }),
        json!(items(&status["active"]).len()),
        json!(last),
        cells::age(object, now),
    ];
    cells.extend(workload::wide_cells(at(spec, "jobTemplate")));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{defaulted, errors, shown};

    fn cronjob(spec: Value) -> Value {
        let mut object = json!({"metadata": {"name": "c"}, "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {
            "template": {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "a", "image": "a:1"}]}}}}}});
        for (name, value) in spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        object
    }

    #[test]
    fn messages() {
        let cases: &[(Value, &[&str])] = &[
            (json!({}), &[]),
            (json!({"timeZone": "Europe/Berlin"}), &[]),
            (json!({"schedule": ""}), &["spec.schedule: Required value"]),
            (
                json!({"schedule": "TZ=UTC 0 * * * *"}),
                &[
                    r#"spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"#,
                ],
            ),
            (
                json!({"schedule": "1 2 3"}),
                &[r#"spec.schedule: Invalid value: "1 2 3": expected exactly 5 fields, found 3: [1 2 3]"#],
            ),
            (json!({"timeZone": "../x"}), &[r#"spec.timeZone: Invalid value: "../x": unknown time zone ../x"#]),
            (
                json!({"concurrencyPolicy": "Maybe", "failedJobsHistoryLimit": -1}),
                &[
                    r#"spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace""#,
                    "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
                ],
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(errors(&KIND, &cronjob(spec.clone())), *expected, "{spec}");
        }
        assert!(KIND.strategy.validate_name(&"a".repeat(53)).is_err());
    }

    #[test]
    fn defaults_and_cells() {
        let mut object = defaulted(&KIND, &cronjob(json!({})));
        assert_eq!(
            (&object["spec"]["successfulJobsHistoryLimit"], &object["spec"]["suspend"]),
            (&json!(3), &json!(false))
        );
        object["status"] = json!({"active": [{}]});
        let cells = ["c", "*/5 * * * *", "<none>", "False", "1", "<none>", "<unknown>", "a", "a:1", "<none>"];
        assert_eq!(shown(&KIND, &object), cells);
    }
}
