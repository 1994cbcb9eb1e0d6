//! Quantities of resources: `500m`, `1.5Gi`, `2e3`.
//!
//! The rules of `resource.Quantity` in k8s.io/apimachinery: three families of suffixes,
//! nothing finer than a nano-unit (rounded away from zero), nothing beyond 2^63-1, and
//! one canonical form per value and family.

use std::{cmp::Ordering, fmt, iter::Sum, ops::Add, ops::Sub, str::FromStr};

/// Nano-units per unit.
const NANO: i128 = 1_000_000_000;
const MILLI: i128 = 1_000_000;
/// The largest magnitude, in nano-units.
const MAX: i128 = i64::MAX as i128 * NANO;
/// Longest number read; longer ones are no sensible quantity.
const MAX_LENGTH: usize = 64;
const DECIMAL: &[(&str, i32)] =
    &[("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: &[(&str, u32)] = &[("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
const WRONG_FORM: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const WRONG_NUMBER: &str = "unable to parse numeric part of quantity";
const WRONG_SUFFIX: &str = "unable to parse quantity's suffix";

/// The family of suffixes that a quantity is written with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `m`, `k`, `M`, …
    #[default]
    DecimalSi,
    /// `Ki`, `Mi`, …
    BinarySi,
    /// `e3`, `e6`, …
    DecimalExponent,
}

/// An exact amount; equality and order are those of the amount, not of its form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// A whole number of units.
    pub fn new(units: i64, format: Format) -> Self {
        Self { nanos: i128::from(units) * NANO, format }
    }
    /// A number of thousandths.
    pub fn from_milli(milli: i64) -> Self {
        Self { nanos: i128::from(milli) * MILLI, format: Format::DecimalSi }
    }
    /// Reads a quantity; the error is in Kubernetes' words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(WRONG_FORM);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        if number.is_empty() || !suffix.bytes().all(|c| b"eEinumkKMGTP+-0123456789".contains(&c)) {
            return Err(WRONG_FORM);
        }
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || whole.is_empty() && fraction.is_empty() {
            return Err(WRONG_NUMBER);
        }
        let (factor, exponent, format) = suffix_of(suffix).ok_or(WRONG_SUFFIX)?;
        let digits = format!("{whole}{fraction}");
        let scale = exponent.saturating_add(9).saturating_sub(i32::try_from(fraction.len()).unwrap_or(i32::MAX));
        let nanos = scaled(digits.trim_start_matches('0'), factor, scale);
        Ok(Self { nanos: if negative { -nanos } else { nanos }, format })
    }
    /// The amount in units, rounded away from zero.
    pub fn value(&self) -> i64 {
        self.rounded(NANO)
    }
    /// The amount in thousandths, rounded away from zero; saturates.
    pub fn milli_value(&self) -> i64 {
        self.rounded(MILLI)
    }
    /// Whether the amount is nothing.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }
    /// Whether the amount is below nothing.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }
    /// The family of suffixes.
    pub fn format(&self) -> Format {
        self.format
    }

    fn rounded(&self, unit: i128) -> i64 {
        let up = (self.nanos.abs() + unit - 1) / unit;
        let signed = if self.nanos < 0 { -up } else { up };
        i64::try_from(signed).unwrap_or(if signed < 0 { i64::MIN } else { i64::MAX })
    }
    /// The sum's format is the left one's, or the right one's where the left is nothing.
    fn combine(self, nanos: i128, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self { nanos: nanos.clamp(-MAX, MAX), format }
    }
}

/// Binary factor, decimal exponent and family of a suffix.
fn suffix_of(suffix: &str) -> Option<(i128, i32, Format)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
        return Some((1, *exponent, Format::DecimalSi));
    }
    if let Some((_, bits)) = BINARY.iter().find(|(s, _)| *s == suffix) {
        return Some((1 << bits, 0, Format::BinarySi));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((1, exponent.parse().ok()?, Format::DecimalExponent))
}

/// `digits × factor × 10^scale`, rounded up, no more than [`MAX`].
fn scaled(digits: &str, factor: i128, scale: i32) -> i128 {
    if digits.is_empty() {
        return 0;
    }
    // As many digits as the arithmetic holds; beyond them one stands for all that are not zero.
    let kept = digits.len().min(if factor == 1 { 28 } else { 19 });
    let Some(mut amount) = digits.get(..kept).and_then(|d| d.parse::<i128>().ok()) else { return MAX };
    let mut more = digits.bytes().skip(kept).any(|d| d != b'0');
    let mut scale = scale.saturating_add(i32::try_from(digits.len() - kept).unwrap_or(i32::MAX));
    amount *= factor;
    while scale > 0 {
        amount = amount.saturating_mul(10);
        if amount > MAX {
            return MAX;
        }
        scale -= 1;
    }
    while scale < 0 && amount > 0 {
        more |= amount % 10 != 0;
        amount /= 10;
        scale += 1;
    }
    (amount + i128::from(more)).min(MAX)
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let binary = self.format == Format::BinarySi && self.nanos % NANO == 0 && self.nanos.abs() >= 1024 * NANO;
        if binary {
            let mut units = self.nanos / NANO;
            let mut suffix = "";
            for (name, _) in BINARY {
                if units % 1024 != 0 {
                    break;
                }
                units /= 1024;
                suffix = name;
            }
            return write!(f, "{units}{suffix}");
        }
        let mut amount = self.nanos;
        let mut exponent = -9;
        while amount % 1000 == 0 && exponent < 18 {
            amount /= 1000;
            exponent += 3;
        }
        if self.format == Format::DecimalExponent {
            return if exponent == 0 { write!(f, "{amount}") } else { write!(f, "{amount}e{exponent}") };
        }
        let suffix = DECIMAL.iter().find(|(_, e)| *e == exponent).map_or("", |(s, _)| s);
        write!(f, "{amount}{suffix}")
    }
}

impl FromStr for Quantity {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Quantity {}
impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}
impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.combine(self.nanos + other.nanos, other)
    }
}
impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.combine(self.nanos - other.nanos, other)
    }
}
impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn canonical_forms_are_kubernetes_own() {
        let table = [
            ("0", "0"),
            ("0Mi", "0"),
            ("-0", "0"),
            ("1", "1"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            ("1000m", "1"),
            ("12000", "12k"),
            ("1000000", "1M"),
            ("100", "100"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("512Ki", "512Ki"),
            ("0.5Ki", "512"),
            ("1000Ki", "1000Ki"),
            ("1Ei", "1Ei"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e7", "120e6"),
            ("5E", "5E"),
            ("1e-3", "1e-3"),
            ("-1.5", "-1500m"),
            ("+3", "3"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("-0.1n", "-1n"),
            (".5", "500m"),
            ("5.", "5"),
            ("100E", "9223372036854775807"),
            ("1.0001Ki", "1024102400u"),
            ("9223372036854775807", "9223372036854775807"),
        ];
        for (text, expected) in table {
            assert_eq!(Quantity::parse(text).map(|q| q.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "-", ".", "abc", "1x", "1kk", "1 Gi", "1ki", "1KI", "e3", "1e", "1.2.3", "1e1.5", "--1"] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_round_away_from_zero() {
        let value = |text: &str| Quantity::parse(text).map(|q| (q.value(), q.milli_value())).expect(text);
        assert_eq!(value("1500m"), (2, 1500));
        assert_eq!(value("-1500m"), (-2, -1500));
        assert_eq!(value("100u"), (1, 1));
        assert_eq!(value("1Gi"), (1 << 30, (1 << 30) * 1000));
        assert_eq!(value("9E").1, i64::MAX);
    }

    proptest! {
        #[test]
        fn the_canonical_form_means_the_same(units in any::<i64>(), milli in -10_000_000i64..10_000_000, suffix in 0usize..19) {
            let suffixes = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "e-3", "e9"];
            let fraction = format!("{}.{:03}{}", milli / 1000, (milli % 1000).abs(), suffixes[suffix]);
            for text in [format!("{units}{}", suffixes[suffix]), fraction] {
                let quantity = Quantity::parse(&text).expect("a quantity");
                let again = Quantity::parse(&quantity.to_string()).expect("canonical form");
                prop_assert_eq!(quantity, again);
                prop_assert_eq!(again.to_string(), quantity.to_string());
            }
        }
        #[test]
        fn sums_and_order_are_those_of_numbers(a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000) {
            let (x, y) = (Quantity::from_milli(a), Quantity::from_milli(b));
            prop_assert_eq!((x + y).milli_value(), a + b);
            prop_assert_eq!((x - y).milli_value(), a - b);
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }
        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,80}") {
            let _ = Quantity::parse(&text).map(|q| q.to_string());
        }
    }
}
