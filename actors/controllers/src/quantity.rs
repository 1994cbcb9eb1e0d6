//! Kubernetes quantities as integers.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

const MILLI: i128 = 1000;

/// A quantity in thousandths, rounded up; 0 where it cannot be read (the server refuses such).
fn thousandths(text: &str) -> i128 {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (multiplier, divisor): (i128, i128) = match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "" => (1, 1),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => match exponent.trim_start_matches(['e', 'E']).parse::<i32>() {
            Ok(power @ 0..=18) => (10_i128.pow(power.unsigned_abs()), 1),
            Ok(power @ -18..0) => (1, 10_i128.pow(power.unsigned_abs())),
            _ => return 0,
        },
    };
    let negative = number.starts_with('-');
    let digits = number.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // More than nine digits after the point cannot matter: a quantity is capped at nano.
    let fraction = &fraction[..fraction.len().min(9)];
    let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let Ok(mantissa) = format!("0{whole}{fraction}").parse::<i128>() else { return 0 };
    let numerator = mantissa.saturating_mul(multiplier).saturating_mul(MILLI);
    let denominator = divisor.saturating_mul(scale);
    let value = numerator.saturating_add(denominator - 1) / denominator;
    if negative { -value } else { value }
}

/// A quantity in thousandths (`cpu`: millicores), rounded up.
pub fn milli(text: &str) -> i64 {
    i64::try_from(thousandths(text)).unwrap_or(i64::MAX)
}

/// A quantity in whole units (`memory`: bytes), rounded up.
pub fn whole(text: &str) -> i64 {
    let value = thousandths(text);
    let up = if value > 0 { (value + MILLI - 1) / MILLI } else { value / MILLI };
    i64::try_from(up).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("1", 1000),
            ("100m", 100),
            ("0.5", 500),
            ("1.5", 1500),
            ("100u", 1),
            ("2k", 2_000_000),
            ("1e3", 1_000_000),
            ("-1", -1000),
            ("x", 0),
        ] {
            assert_eq!(milli(text), expected, "{text}");
        }
        for (text, expected) in
            [("1Ki", 1024), ("1.5Gi", 1_610_612_736), ("1", 1), ("128974848000m", 128_974_848), ("129e6", 129_000_000)]
        {
            assert_eq!(whole(text), expected, "{text}");
        }
    }
}
