//! Whether a text is a cron schedule: five fields, or a name such as `@daily`.
//!
//! Deliberately absent: when a schedule fires next, which is the controller's to know.

use std::ops::RangeInclusive;

const NAMES: &[&str] = &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The range of a field and the names that its numbers have, from the range's start on.
type Field = (RangeInclusive<u32>, &'static [&'static str]);
const FIELDS: [Field; 5] = [(0..=59, &[]), (0..=23, &[]), (1..=31, &[]), (1..=12, MONTHS), (0..=6, DAYS)];

/// Why a schedule is none.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    if schedule.starts_with('@') {
        let every = schedule.strip_prefix("@every ").is_some_and(|d| d.ends_with(['h', 'm', 's']));
        let known = every || NAMES.contains(&schedule);
        return if known { Ok(()) } else { Err(format!("unrecognized descriptor: {schedule}")) };
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    for (text, field) in fields.iter().zip(&FIELDS) {
        text.split(',').try_for_each(|part| range(part, field))?;
    }
    Ok(())
}

/// `*`, `3`, `1-5`, `*/15`, `1-30/5`
fn range(text: &str, field: &Field) -> Result<(), String> {
    let (span, step) = text.split_once('/').map_or((text, None), |(span, step)| (span, Some(step)));
    if let Some(step) = step {
        if step.contains('/') {
            return Err(format!("too many slashes: {text}"));
        }
        if number(step, &[], 0)? == 0 {
            return Err(format!("step of range should be a positive number: {text}"));
        }
    }
    if matches!(span, "*" | "?") {
        return Ok(());
    }
    let (low, high) = field.0.clone().into_inner();
    let (from, to) = span.split_once('-').unwrap_or((span, span));
    if to.contains('-') {
        return Err(format!("too many hyphens: {text}"));
    }
    let [start, end] = [number(from, field.1, low)?, number(to, field.1, low)?];
    if start < low {
        return Err(format!("beginning of range ({start}) below minimum ({low}): {text}"));
    }
    if end > high {
        return Err(format!("end of range ({end}) above maximum ({high}): {text}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    Ok(())
}

/// A number, or the one that a name stands for.
fn number(text: &str, names: &[&str], first: u32) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    if let Some(n) = (first..).zip(names).find(|(_, name)| **name == lower).map(|(n, _)| n) {
        return Ok(n);
    }
    let wrong = format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax");
    text.parse().map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for good in ["* * * * *", "*/5 0-6 1,15 jan-MAR 1-5", "@daily", "@every 5m", "? 1 * * SUN"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let bad = [
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
            ("@often", "unrecognized descriptor: @often"),
            ("", "expected exactly 5 fields, found 0: []"),
        ];
        for (text, why) in bad {
            assert_eq!(check(text), Err(why.to_owned()), "{text}");
        }
    }
}
