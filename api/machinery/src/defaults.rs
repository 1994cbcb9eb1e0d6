//! Defaults that the API publishes for its fields.
//!
//! Defaults that depend on other fields are the kinds' strategies' business. Go's zero
//! values (`0`, `false`, `""`) are published as defaults too, but mean "absent" here:
//! they are not stored.

use podium_types::registry::{FieldType, Shape, Type};
use serde_json::{Map, Value};

/// Sets every published default in an object of `schema`, all the way down.
pub fn apply(schema: &Type, object: &mut Value) {
    if let Value::Object(map) = object {
        fill(schema, map);
    }
}

fn fill(schema: &Type, map: &mut Map<String, Value>) {
    for field in &schema.fields {
        match (&field.default, map.get_mut(field.name)) {
            (_, Some(value)) if !is_empty(value) => descend(&field.ty, value),
            (Some(default), _) if !is_empty(default) => {
                map.insert(field.name.to_owned(), default.clone());
            }
            _ => {}
        }
    }
}

/// `null` and `""`: what Go's defaulting takes for absent in a string, and no default is a longer zero.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::Bool(b) => !b,
        _ => false,
    }
}

fn descend(ty: &FieldType, value: &mut Value) {
    match (ty, value) {
        (FieldType::Ref(id), Value::Object(map)) if id.get().shape == Shape::Object => fill(id.get(), map),
        (FieldType::List(element), Value::Array(items)) => items.iter_mut().for_each(|item| descend(element, item)),
        (FieldType::Map(element), Value::Object(map)) => map.values_mut().for_each(|item| descend(element, item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podium_types::registry;
    use serde_json::json;

    #[test]
    fn published_defaults_are_set_where_nothing_stands() {
        let service = registry::by_kind("v1", "Service").expect("Service");
        let mut object = json!({"spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}, {"protocol": ""}]}});
        apply(service, &mut object);
        assert_eq!(
            object,
            json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"},
                {"protocol": "TCP"}]}})
        );
        let once = object.clone();
        apply(service, &mut object);
        assert_eq!(object, once);
    }

    #[test]
    fn a_value_that_is_there_stays() {
        let controller = registry::by_kind("v1", "ReplicationController").expect("ReplicationController");
        let mut object = json!({"spec": {"replicas": 3}});
        apply(controller, &mut object);
        assert_eq!(object, json!({"spec": {"replicas": 3}}));
        let mut odd = json!("text");
        apply(controller, &mut odd);
        assert_eq!(odd, json!("text"));
    }
}
