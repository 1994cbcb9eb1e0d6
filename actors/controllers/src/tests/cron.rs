//! Cron expressions against known answers, and CronJobs over changes of the clocks.

use crate::{
    Controller,
    cronjob::{CronJobController, Schedule, zone},
    model::Model,
    resource,
};
use podium_types::{Key, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap()
}

#[test]
fn times_are_those_of_the_wall_clock() {
    let new_york = "America/New_York";
    let table: &[(&str, &str, &str, &[&str])] = &[
        ("5/20 * * * *", "UTC", "2026-01-01T00:00:00Z", &["2026-01-01T00:05:00Z", "2026-01-01T00:25:00Z"]),
        ("0 12 * * MON-FRI", "UTC", "2026-03-06T13:00:00Z", &["2026-03-09T12:00:00Z", "2026-03-10T12:00:00Z"]),
        ("0 0 29 feb ?", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z"]),
        // Day of the month or of the week, where both are named; a step counts as naming.
        ("0 0 13 * 5", "UTC", "2026-03-01T00:00:00Z", &["2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"]),
        ("0 0 */2 * 1", "UTC", "2026-03-01T00:00:00Z", &["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"]),
        ("0 0 13 * *", "UTC", "2026-03-01T00:00:00Z", &["2026-03-13T00:00:00Z", "2026-04-13T00:00:00Z"]),
        ("@weekly", "UTC", "2026-03-02T00:00:00Z", &["2026-03-08T00:00:00Z"]),
        ("@yearly", "UTC", "2026-03-02T00:00:00Z", &["2027-01-01T00:00:00Z"]),
        ("@every 1h30m", "UTC", "2026-03-02T00:00:10Z", &["2026-03-02T01:30:10Z", "2026-03-02T03:00:10Z"]),
        ("* * * * *", "UTC", "2026-03-02T00:00:59Z", &["2026-03-02T00:01:00Z"]),
        ("0 9 * * *", "Asia/Kolkata", "2026-03-02T00:00:00Z", &["2026-03-02T03:30:00Z"]),
        // The clocks go forward: what is leapt over does not run.
        ("30 2 * * *", new_york, "2026-03-07T12:00:00Z", &["2026-03-09T06:30:00Z"]),
        ("0 * * * *", new_york, "2026-03-08T06:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z"]),
        ("0 3 * * *", new_york, "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-09T07:00:00Z"]),
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-30T00:30:00Z"]),
        ("0 0 * * *", "America/Havana", "2026-03-07T12:00:00Z", &["2026-03-09T04:00:00Z"]),
        // The clocks go back: what is repeated runs twice.
        (
            "30 1 * * *",
            new_york,
            "2026-10-31T12:00:00Z",
            &["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"],
        ),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
        // By half an hour.
        (
            "*/15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00Z",
            &["2026-10-03T15:30:00Z", "2026-10-03T15:45:00Z", "2026-10-04T15:00:00Z"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00Z",
            &["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-05T15:15:00Z"],
        ),
    ];
    for (text, place, after, expected) in table {
        let (schedule, zone) = (schedule(text), zone(Some(place)).unwrap());
        let mut now = at(after);
        for expected in *expected {
            now = schedule.next(now, &zone).unwrap();
            assert_eq!(now, at(expected), "{text} in {place} after {after}");
        }
    }
    assert_eq!(schedule("0 0 30 2 *").next(at("2026-01-01T00:00:00Z"), &zone(None).unwrap()), None);
    assert!(zone(Some("Mars/Olympus")).is_none());
}

#[test]
fn what_is_no_schedule_is_refused() {
    for text in [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 7",
        "*/0 * * * *",
        "5-1 * * * *",
        "1,,2 * * * *",
        "a * * * *",
        "-1 * * * *",
        "1-2-3 * * * *",
        "@never",
        "@every",
        "@every x",
        "TZ=UTC * * * * *",
    ] {
        assert!(Schedule::parse(text).is_err(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The calendar against the plainest way to ask it: minute by minute.
    #[test]
    fn next_and_last_are_what_a_search_by_the_minute_finds(
        minute in 0_u32..60, step in 1_u32..4, hour in 0_u32..24, place in 0_usize..4, spring in any::<bool>(),
        offset in 0_i64..2880,
    ) {
        let (name, changes) = [
            ("Europe/Berlin", ["2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z"]),
            ("America/New_York", ["2026-03-07T00:00:00Z", "2026-10-31T00:00:00Z"]),
            ("Australia/Lord_Howe", ["2026-10-03T00:00:00Z", "2026-04-04T00:00:00Z"]),
            ("America/Havana", ["2026-03-07T00:00:00Z", "2026-10-31T00:00:00Z"]),
        ][place];
        let zone = zone(Some(name)).unwrap();
        let schedule = schedule(&format!("{minute} {hour}-23/{step} * * *"));
        let start = crate::time::after(at(changes[usize::from(!spring)]), offset * 60).unwrap();
        let due = |time: &Timestamp| {
            let wall = zone.to_datetime(*time);
            let past = u32::try_from(wall.hour()).unwrap().checked_sub(hour);
            u32::try_from(wall.minute()).unwrap() == minute && past.is_some_and(|past| past.is_multiple_of(step))
        };
        let minutes = |range: std::ops::RangeInclusive<i64>| range.map(|n| crate::time::after(start, n * 60).unwrap());
        let found = minutes(1..=2880).find(due);
        prop_assert_eq!(schedule.next(start, &zone).filter(|next| *next <= crate::time::after(start, 2880 * 60).unwrap()), found);
        let end = crate::time::after(start, 2880 * 60).unwrap();
        prop_assert_eq!(schedule.last(start, end, &zone), minutes(1..=2880).rev().find(due));
        prop_assert_eq!(schedule.missed(start, end, &zone, 5000), minutes(1..=2880).filter(due).count());
    }
}

fn cron(model: &mut Model, spec: Value) {
    let mut object = json!({"apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": "tick", "namespace": "default"},
        "spec": {"schedule": "*/5 * * * *", "successfulJobsHistoryLimit": 2, "failedJobsHistoryLimit": 1,
            "jobTemplate": {"metadata": {"labels": {"app": "tick"}}, "spec": {"template": {"spec": {"containers": []}}}}}});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    model.create(resource::CRON_JOBS, object);
}

fn jobs(model: &Model) -> Vec<String> {
    model.list(resource::JOBS).iter().map(|job| podium_types::meta::name(job).to_owned()).collect()
}

fn step(model: &mut Model) {
    while model.run(&CronJobController, || false) > 0 {}
}

fn end(model: &mut Model, name: &str, kind: &str) {
    let time = json!(model.now.to_string());
    let patch = json!({"status": {"startTime": time, "completionTime": time,
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": time}]}});
    model.patch(resource::JOBS, "default", name, &patch);
}

fn started(spec: Value) -> Model {
    let mut model = Model::new(1);
    model.now = at("2026-01-01T00:01:00Z");
    cron(&mut model, spec);
    step(&mut model);
    model
}

fn status(model: &Model) -> Value {
    model.get(resource::CRON_JOBS, "default", "tick").unwrap()["status"].clone()
}

#[test]
fn each_time_runs_once_and_wakes_the_next() {
    let mut model = started(json!({}));
    assert_eq!(jobs(&model), Vec::<String>::new());
    let key = Key::new("default", "tick");
    for number in 1..=3 {
        let plan = CronJobController.decide(&model.view, &key, model.now, &mut model.ids);
        model.now = plan.wake_at.unwrap();
        assert_eq!(model.now, at(&format!("2026-01-01T00:{:02}:00Z", number * 5)));
        step(&mut model);
        assert_eq!(jobs(&model).len(), number);
        step(&mut model);
    }
    let job = model.list(resource::JOBS).remove(0);
    assert_eq!(
        job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"],
        "2026-01-01T00:05:00Z"
    );
    assert_eq!(job["metadata"]["labels"]["app"], "tick");
    assert_eq!(podium_types::meta::name(&job), "tick-29453765");
    assert_eq!(status(&model)["active"].as_array().unwrap().len(), 3);
    assert_eq!(status(&model)["lastScheduleTime"], "2026-01-01T00:15:00Z");
}

#[test]
fn the_policy_says_what_becomes_of_those_at_work() {
    for (policy, first, second) in [("Allow", true, true), ("Forbid", true, false), ("Replace", false, true)] {
        let mut model = started(json!({"concurrencyPolicy": policy}));
        model.now = at("2026-01-01T00:05:00Z");
        step(&mut model);
        let names = jobs(&model);
        model.now = at("2026-01-01T00:10:00Z");
        step(&mut model);
        let left = jobs(&model);
        assert_eq!(
            (left.contains(&names[0]), left.len() == usize::from(first) + 1 && second),
            (first, second),
            "{policy}"
        );
        if policy == "Forbid" {
            // Once the first is done, what was missed is made up for.
            end(&mut model, &names[0], "Complete");
            model.advance(60);
            step(&mut model);
            assert_eq!(jobs(&model).len(), 2);
            assert_eq!(status(&model)["lastSuccessfulTime"], "2026-01-01T00:10:00Z");
        }
    }
}

#[test]
fn missed_times_run_once_and_only_within_the_deadline() {
    for (deadline, expected) in [(None, 1), (Some(600), 1), (Some(100), 0)] {
        let mut model = started(json!({"suspend": true, "startingDeadlineSeconds": deadline}));
        model.now = at("2026-01-01T05:02:00Z");
        step(&mut model);
        assert_eq!(jobs(&model).len(), 0, "suspended");
        model.patch(resource::CRON_JOBS, "default", "tick", &json!({"spec": {"suspend": false}}));
        step(&mut model);
        assert_eq!(jobs(&model).len(), expected, "{deadline:?}");
    }
}

#[test]
fn the_history_is_kept_short() {
    let mut model = started(json!({}));
    for number in 1..=6 {
        model.now = at(&format!("2026-01-01T00:{:02}:00Z", number * 5));
        step(&mut model);
        let name = jobs(&model).pop().unwrap();
        end(&mut model, &name, if number > 4 { "Failed" } else { "Complete" });
        step(&mut model);
    }
    let ended =
        |kind: &str| model.list(resource::JOBS).iter().filter(|j| j["status"]["conditions"][0]["type"] == kind).count();
    assert_eq!((ended("Complete"), ended("Failed")), (2, 1));
    assert!(status(&model)["active"].is_null());
}

#[test]
fn bad_schedules_and_zones_are_told() {
    for (spec, reason) in
        [(json!({"schedule": "x"}), "UnparseableSchedule"), (json!({"timeZone": "Mars/Olympus"}), "UnknownTimeZone")]
    {
        let model = started(spec);
        let plan =
            CronJobController.decide(&model.view, &Key::new("default", "tick"), model.now, &mut crate::Ids::new(1));
        assert_eq!(plan.events[0].reason, reason);
    }
}

#[test]
fn a_crash_after_any_write_runs_no_time_twice() {
    for at_write in 0..12 {
        let mut model = started(json!({"concurrencyPolicy": "Replace"}));
        let mut count = 0;
        for number in 1..=3 {
            model.now = at(&format!("2026-01-01T00:{:02}:00Z", number * 5));
            let mut quiet = 0;
            while quiet < 2 {
                let writes = model.run(&CronJobController, || {
                    count += 1;
                    count - 1 == at_write
                });
                quiet = if writes == 0 { quiet + 1 } else { 0 };
            }
        }
        assert_eq!(jobs(&model), ["tick-29453775"], "killed after write {at_write}");
        assert_eq!(status(&model)["lastScheduleTime"], "2026-01-01T00:15:00Z");
    }
}
