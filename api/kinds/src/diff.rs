//! What a refused change would change, for people: a line for what was and one for what was to be, per field.

use serde_json::Value;

/// Lines that are shown.
const MAX_LINES: usize = 12;
/// Characters of a value that are shown.
const MAX_VALUE: usize = 120;

/// `why`, and below it where `new` differs from `old`; paths begin with `path`.
pub(crate) fn explained(why: &str, old: &Value, new: &Value, path: &str) -> String {
    let mut lines = Vec::new();
    differences(old, new, path, &mut lines);
    let more = lines.len() > MAX_LINES;
    lines.truncate(MAX_LINES);
    if more {
        lines.push("  …".to_owned());
    }
    std::iter::once(why.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

fn differences(old: &Value, new: &Value, path: &str, lines: &mut Vec<String>) {
    match (old, new) {
        _ if old == new || lines.len() > MAX_LINES => {}
        (Value::Object(before), Value::Object(after)) => {
            let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
            names.for_each(|name| differences(&old[name], &new[name], &format!("{path}.{name}"), lines));
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let pairs = before.iter().zip(after).enumerate();
            pairs.for_each(|(i, (old, new))| differences(old, new, &format!("{path}[{i}]"), lines));
        }
        _ => {
            let sides = [("-", old), ("+", new)].into_iter().filter(|(_, value)| !value.is_null());
            lines.extend(sides.map(|(sign, value)| format!("{sign} {path}: {}", shown(value))));
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_differ_are_named() {
        let long = "ä".repeat(MAX_VALUE);
        let cut = format!("+ s.a: \"{}…", &long[..(MAX_VALUE - 1) * 2]);
        for (old, new, expected) in [
            (json!({"a": 1}), json!({"a": 1}), vec![]),
            (json!({"a": 1}), json!({"a": 2}), vec!["- s.a: 1", "+ s.a: 2"]),
            (
                json!({"a": [{"b": "x", "c": 1}]}),
                json!({"a": [{"b": "y", "c": 1}]}),
                vec![r#"- s.a[0].b: "x""#, r#"+ s.a[0].b: "y""#],
            ),
            (json!({"a": [1]}), json!({"a": [1, 2]}), vec!["- s.a: [1]", "+ s.a: [1,2]"]),
            (json!({"a": {"b": true}}), json!({"c": null}), vec![r#"- s.a: {"b":true}"#]),
            (json!({}), json!({"a": long}), vec![cut.as_str()]),
        ] {
            assert_eq!(explained("why", &old, &new, "s"), [vec!["why"], expected].concat().join("\n"));
        }
    }

    #[test]
    fn a_long_difference_is_cut() {
        let [old, new] = [0, 1].map(|n| Value::from(vec![n; 1000]));
        let told = explained("why", &old, &new, "s");
        assert_eq!((told.lines().count(), told.lines().last()), (MAX_LINES + 2, Some("  …")));
    }
}
