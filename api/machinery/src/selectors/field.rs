//! Field selectors: the query parameter `fieldSelector`.

use podium_kinds::Kind;
use podium_types::ApiError;
use serde_json::Value;

/// What must hold of an object's fields; all terms together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

/// What must hold of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// `metadata.name`, `spec.nodeName`, …
    pub path: String,
    /// Whether the values must be equal, or must differ.
    pub equal: bool,
    /// The value.
    pub value: String,
}

impl FieldSelector {
    /// Reads `a=b,c!=d`; a backslash escapes `,`, `=` and itself. 400 where it cannot be read.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let terms = split(text).into_iter().filter(|t| !t.is_empty()).map(|part| {
            let lost = || ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'"));
            let (path, equal, value) = operator(part).ok_or_else(lost)?;
            let value = unescape(value).map_err(ApiError::bad_request)?;
            Ok(FieldTerm { path: path.to_owned(), equal, value })
        });
        Ok(Self { terms: terms.collect::<Result<_, ApiError>>()? })
    }
    /// The terms.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }
    /// Whether it selects whatever there is.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }
    /// The value that a field must equal, where a term says so (`metadata.name=x` makes a list a look-up).
    pub fn exact(&self, path: &str) -> Option<&str> {
        self.terms.iter().find(|t| t.equal && t.path == path).map(|t| t.value.as_str())
    }
    /// 400 where the kind has no such field label.
    pub fn check(&self, kind: &Kind) -> Result<(), ApiError> {
        for FieldTerm { path, .. } in &self.terms {
            let known = matches!(path.as_str(), "metadata.name" | "metadata.namespace");
            if !known && kind.selectable.is_empty() {
                return Err(ApiError::bad_request(format!(
                    "{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                )));
            }
            if !known && !kind.selectable.contains(&path.as_str()) {
                return Err(ApiError::bad_request(format!("field label not supported: {path}")));
            }
        }
        Ok(())
    }
    /// Whether an object meets every term; fields that the kind does not offer count as empty.
    pub fn matches(&self, kind: &Kind, object: &Value) -> bool {
        self.matches_with(|path| kind.field(object, path))
    }
    /// The same, with the values given by `field`.
    pub fn matches_with(&self, field: impl Fn(&str) -> Option<String>) -> bool {
        self.terms.iter().all(|t| (field(&t.path).unwrap_or_default() == t.value) == t.equal)
    }
}

/// The parts between commas that no backslash escapes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (i, c) in text.char_indices() {
        if c == ',' && !escaped {
            parts.push(&text[start..i]);
            start = i + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// Splits at the first operator that is not escaped.
fn operator(part: &str) -> Option<(&str, bool, &str)> {
    let mut escaped = false;
    for (i, c) in part.char_indices() {
        let rest = &part[i..];
        if !escaped {
            for (word, equal) in [("!=", false), ("==", true), ("=", true)] {
                if let Some(value) = rest.strip_prefix(word) {
                    return Some((&part[..i], equal, value));
                }
            }
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

fn unescape(value: &str) -> Result<String, String> {
    let mut made = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => made.push(c),
                odd => {
                    let odd = odd.map(String::from).unwrap_or_default();
                    return Err(format!("invalid field selector: invalid escape sequence: \\{odd}"));
                }
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {c}")),
            c => made.push(c),
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn terms_are_read_and_compared() {
        let selector = FieldSelector::parse("metadata.name=a,metadata.namespace!=b,").expect("a selector");
        assert_eq!(selector.terms().len(), 2);
        assert_eq!(selector.exact("metadata.name"), Some("a"));
        assert_eq!(selector.exact("metadata.namespace"), None);
        let kind = podium_kinds::by_kind("v1", "ConfigMap").expect("ConfigMap");
        assert_eq!(selector.check(kind), Ok(()));
        assert!(selector.matches(kind, &json!({"metadata": {"name": "a", "namespace": "c"}})));
        assert!(!selector.matches(kind, &json!({"metadata": {"name": "a", "namespace": "b"}})));
        let escaped = FieldSelector::parse(r"spec.x==a\,b\\\=c").expect("escapes");
        assert_eq!(escaped.terms()[0].value, r"a,b\=c");
        assert!(FieldSelector::parse("").expect("nothing").is_everything());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let message = |text: &str| FieldSelector::parse(text).expect_err(text).message;
        assert_eq!(message("a"), "invalid selector: 'a'; can't understand 'a'");
        assert_eq!(message("a=b=c"), "invalid field selector: unescaped character in value: =");
        assert!(message(r"a=\x").contains("invalid escape sequence"));
        let kind = podium_kinds::by_kind("v1", "ConfigMap").expect("ConfigMap");
        let error = FieldSelector::parse("spec.x=1").and_then(|s| s.check(kind)).expect_err("unknown field");
        assert_eq!(error.code, 400);
        assert!(error.message.contains("\"spec.x\" is not a known field selector"), "{error}");
    }
}
