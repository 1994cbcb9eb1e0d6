//! A number of pods, given as such or as a share of all.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// How many of `total` an `IntOrString` means; a share is rounded `up` or down.
pub fn scaled(value: &IntOrString, total: i32, up: bool) -> i32 {
    match value {
        IntOrString::Int(number) => (*number).max(0),
        IntOrString::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0).max(0);
            let product = percent.saturating_mul(i64::from(total));
            let number = if up { product.saturating_add(99) / 100 } else { product / 100 };
            i32::try_from(number).unwrap_or(i32::MAX)
        }
    }
}
