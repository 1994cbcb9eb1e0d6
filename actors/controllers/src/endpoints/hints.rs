//! Who an endpoint is best for, as a Service's `trafficDistribution` asks (KEP-4444, KEP-3015).

use serde_json::{Value, json};

/// The older word for the same zone.
const CLOSE: &str = "PreferClose";
const SAME_ZONE: &str = "PreferSameZone";
const SAME_NODE: &str = "PreferSameNode";

/// Gives an endpoint that is ready the hints that its Service asks for.
pub fn give(endpoint: &mut Value, distribution: Option<&str>) {
    if endpoint["conditions"]["ready"] == false {
        return;
    }
    let own = |field: &str| Some(endpoint[field].clone()).filter(Value::is_string);
    let zone = own("zone").filter(|_| matches!(distribution, Some(CLOSE | SAME_ZONE | SAME_NODE)));
    let node = own("nodeName").filter(|_| distribution == Some(SAME_NODE));
    for (field, name) in [("forZones", zone), ("forNodes", node)] {
        if let Some(name) = name {
            endpoint["hints"][field] = json!([{"name": name}]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_follow_the_distribution() {
        let zone = json!([{"name": "z"}]);
        let node = json!([{"name": "n"}]);
        for (distribution, ready, expected) in [
            (None, true, Value::Null),
            (Some("PreferClose"), true, json!({"forZones": zone})),
            (Some("PreferSameZone"), true, json!({"forZones": zone})),
            (Some("PreferSameNode"), true, json!({"forZones": zone, "forNodes": node})),
            (Some("PreferSameNode"), false, Value::Null),
            (Some("Whatever"), true, Value::Null),
        ] {
            let mut endpoint = json!({"zone": "z", "nodeName": "n", "conditions": {"ready": ready}});
            give(&mut endpoint, distribution);
            assert_eq!(endpoint["hints"], expected, "{distribution:?}");
        }
        let mut lost = json!({"conditions": {"ready": true}});
        give(&mut lost, Some("PreferClose"));
        assert_eq!(lost["hints"], Value::Null, "no zone is known");
    }
}
