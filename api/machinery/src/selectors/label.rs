//! Label selectors: the query parameter and `metav1.LabelSelector`.
//!
//! Grammar, meaning and words of errors are those of k8s.io/apimachinery/pkg/labels.

use super::lexer::{Token, tokens};
use podium_kinds::names;
use podium_types::{ApiError, FieldError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

/// What must hold of an object's labels; all requirements together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    /// `None` selects nothing, an empty list everything.
    requirements: Option<Vec<Requirement>>,
}

/// What must hold of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub values: BTreeSet<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Present, with one of the values (`=` has one).
    In,
    /// Absent, or with none of the values.
    NotIn,
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
    /// Present, an integer above the value.
    GreaterThan,
    /// Present, an integer below the value.
    LessThan,
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let integer = |s: &str| s.parse::<i64>().ok();
        let limit = || self.values.first().and_then(|v| integer(v));
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.contains(v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => value.and_then(integer).zip(limit()).is_some_and(|(v, l)| v > l),
            Operator::LessThan => value.and_then(integer).zip(limit()).is_some_and(|(v, l)| v < l),
        }
    }

    fn checked(key: String, operator: Operator, values: BTreeSet<String>) -> Result<Self, String> {
        let one = |error: FieldError| error.to_string();
        names::qualified_name(&key).map_err(|why| one(FieldError::invalid("key", &json!(key), &why)))?;
        if matches!(operator, Operator::In | Operator::NotIn) && values.is_empty() {
            return Err(one(FieldError::invalid(
                "values",
                &json!([]),
                "for 'in', 'notin' operators, values set can't be empty",
            )));
        }
        for (i, value) in values.iter().enumerate() {
            if matches!(operator, Operator::GreaterThan | Operator::LessThan) && value.parse::<i64>().is_err() {
                let why = "for 'Gt', 'Lt' operators, the value must be an integer";
                return Err(one(FieldError::invalid(format!("values[{i}]"), &json!(value), why)));
            }
            names::label_value(value)
                .map_err(|why| one(FieldError::invalid(format!("values[{i}][{key}]"), &json!(value), &why)))?;
        }
        Ok(Self { key, operator, values })
    }
}

impl LabelSelector {
    /// Selects everything.
    pub const fn everything() -> Self {
        Self { requirements: Some(Vec::new()) }
    }
    /// Selects nothing.
    pub const fn nothing() -> Self {
        Self { requirements: None }
    }
    /// Reads the query parameter `labelSelector`; 400 where it cannot be read.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let mut requirements = parser.selector().map_err(ApiError::bad_request)?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements: Some(requirements) })
    }
    /// Reads a `metav1.LabelSelector`: absent (`null`) selects nothing, empty selects everything.
    pub fn from_value(selector: &Value) -> Result<Self, ApiError> {
        let Some(object) = selector.as_object() else { return Ok(Self::nothing()) };
        let mut requirements = Vec::new();
        for (key, value) in object.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            requirements.push((key.clone(), Operator::In, BTreeSet::from([value])));
        }
        for rule in object.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let word = rule["operator"].as_str().unwrap_or_default();
            let operator = match word {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => {
                    return Err(ApiError::bad_request(format!("{word:?} is not a valid label selector operator")));
                }
            };
            let values = rule["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let key = rule["key"].as_str().unwrap_or_default().to_owned();
            requirements.push((key, operator, values.map(ToOwned::to_owned).collect()));
        }
        let requirements = requirements
            .into_iter()
            .map(|(key, operator, values)| Requirement::checked(key, operator, values))
            .collect::<Result<_, _>>()
            .map_err(ApiError::bad_request)?;
        Ok(Self { requirements: Some(requirements) })
    }
    /// Whether labels meet every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches_with(|key| labels.get(key).map(String::as_str))
    }
    /// Whether the labels of an object held as JSON meet every requirement.
    pub fn matches_object(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.matches_with(|key| labels[key].as_str())
    }
    /// Whether it selects whatever there is.
    pub fn is_everything(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }
    /// The requirements; none both for everything and for nothing.
    pub fn requirements(&self) -> &[Requirement] {
        self.requirements.as_deref().unwrap_or_default()
    }

    fn matches_with<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.as_ref().is_some_and(|all| all.iter().all(|r| r.matches(label(&r.key))))
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }
    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::Word(_) | Token::Not => {
                    let one = self.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?;
                    requirements.push(one);
                    match self.next() {
                        Token::End => return Ok(requirements),
                        Token::Comma if matches!(self.peek(), Token::Word(_) | Token::Not) => {}
                        Token::Comma => {
                            let found = self.peek().text();
                            return Err(format!("found '{found}', expected: identifier after ','"));
                        }
                        odd => return Err(format!("found '{}', expected: ',' or 'end of string'", odd.text())),
                    }
                }
                Token::End => return Ok(requirements),
                odd => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", odd.text())),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = *self.peek() == Token::Not;
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            odd => return Err(format!("found '{}', expected: identifier", odd.text())),
        };
        names::qualified_name(&key).map_err(|why| FieldError::invalid("key", &json!(key), &why).to_string())?;
        if absent {
            return Requirement::checked(key, Operator::DoesNotExist, BTreeSet::new());
        }
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Requirement::checked(key, Operator::Exists, BTreeSet::new());
        }
        let (operator, list) = match self.next() {
            Token::Equals | Token::DoubleEquals => (Operator::In, false),
            Token::NotEquals => (Operator::NotIn, false),
            Token::Greater => (Operator::GreaterThan, false),
            Token::Less => (Operator::LessThan, false),
            Token::Word(word) if word == "in" => (Operator::In, true),
            Token::Word(word) if word == "notin" => (Operator::NotIn, true),
            odd => return Err(format!("found '{}', expected: {OPERATORS}", odd.text())),
        };
        let values = if list { self.values()? } else { BTreeSet::from([self.value()?]) };
        Requirement::checked(key, operator, values)
    }

    fn value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.next() {
            Token::Word(value) => Ok(value),
            odd => Err(format!("found '{}', expected: identifier", odd.text())),
        }
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let first = self.next();
        if first != Token::Open {
            return Err(format!("found '{}' expected: '('", first.text()));
        }
        let mut values = BTreeSet::new();
        if *self.peek() == Token::Close {
            self.next();
            return Ok(values);
        }
        loop {
            // Between commas nothing stands for the empty value.
            let value = match self.peek() {
                Token::Word(_) => self.value()?,
                Token::Comma | Token::Close => String::new(),
                odd => return Err(format!("found '{}', expected: ',', ')' or identifier", odd.text())),
            };
            values.insert(value);
            match self.next() {
                Token::Comma => {}
                Token::Close => return Ok(values),
                odd => return Err(format!("found '{}', expected: ',' or ')'", odd.text())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn selectors_select() {
        let web = labels(&[("app", "web"), ("tier", "front"), ("n", "7")]);
        let table = [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app = web , tier!=back", true),
            ("app=db", false),
            ("app in (web,db)", true),
            ("app notin (web,db)", false),
            ("other notin (web)", true),
            ("other!=x", true),
            ("app,!other", true),
            ("!app", false),
            ("app=", false),
            ("n>6,n<8", true),
            ("n>7", false),
            ("in=x", false),
            ("app in (web,)", true),
        ];
        for (text, expected) in table {
            assert_eq!(LabelSelector::parse(text).map(|s| s.matches(&web)), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors_are_in_kubernetes_words() {
        let table = [
            (",", "found ',', expected: !, identifier, or 'end of string'"),
            ("a,", "found '', expected: identifier after ','"),
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ];
        for (text, expected) in table {
            let error = LabelSelector::parse(text).expect_err(text);
            assert_eq!((error.code, error.message.as_str()), (400, expected), "{text}");
        }
        let bad = LabelSelector::parse("-a=b").expect_err("a bad key");
        assert!(
            bad.message.starts_with("unable to parse requirement: key: Invalid value: \"-a\": name part must"),
            "{bad}"
        );
    }

    #[test]
    fn objects_select_as_text_does() {
        let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["front", "mid"]}, {"key": "x", "operator": "DoesNotExist"}]});
        let made = LabelSelector::from_value(&selector).expect("a selector");
        assert_eq!(made.requirements().len(), 3);
        assert!(made.matches(&labels(&[("app", "web"), ("tier", "mid")])));
        assert!(!made.matches(&labels(&[("app", "web"), ("tier", "mid"), ("x", "")])));
        assert_eq!(LabelSelector::from_value(&Value::Null), Ok(LabelSelector::nothing()));
        assert!(LabelSelector::from_value(&json!({})).expect("empty").is_everything());
        let odd = json!({"matchExpressions": [{"key": "a", "operator": "Like"}]});
        assert_eq!(
            LabelSelector::from_value(&odd).expect_err("odd operator").message,
            "\"Like\" is not a valid label selector operator"
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "[a-z=!(),<> in./-]{0,30}") {
            let _ = LabelSelector::parse(&text);
        }
        #[test]
        fn in_and_notin_are_opposites(value in "[a-c]{1}", set in proptest::collection::btree_set("[a-c]{1}", 1..3)) {
            let list = set.iter().cloned().collect::<Vec<_>>().join(",");
            let have = labels(&[("k", &value)]);
            let within = LabelSelector::parse(&format!("k in ({list})")).expect("in").matches(&have);
            let without = LabelSelector::parse(&format!("k notin ({list})")).expect("notin").matches(&have);
            prop_assert_eq!(within, set.contains(&value));
            prop_assert_ne!(within, without);
        }
    }
}
