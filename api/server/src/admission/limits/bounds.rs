//! The bounds of one item of a LimitRange, and what breaks them, in Kubernetes' words.

use podium_types::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// Amounts by resource.
type Amounts = BTreeMap<String, Quantity>;

fn amounts(list: &Value) -> Amounts {
    let read = |(name, amount): (&String, &Value)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?));
    list.as_object().into_iter().flatten().filter_map(read).collect()
}

/// What of `object` breaks the item.
pub(super) fn broken(item: &Value, resource: &str, object: &Value) -> Vec<String> {
    match (item["type"].as_str(), resource) {
        (Some("Container"), "pods") => {
            let lists = ["containers", "initContainers"].map(|list| object["spec"][list].as_array());
            let of = |container: &Value| check(item, &container["resources"]);
            lists.into_iter().flatten().flatten().flat_map(of).collect()
        }
        (Some("Pod"), "pods") => {
            let [requests, limits] = ["requests", "limits"].map(|list| of_pod(&object["spec"], list));
            all(item, &requests, &limits)
        }
        (Some("PersistentVolumeClaim"), "persistentvolumeclaims") => {
            let requests = amounts(&object["spec"]["resources"]["requests"]);
            let bound = Bound { of: "PersistentVolumeClaim", requests: &requests, limits: &Amounts::new() };
            let least = amounts(&item["min"]).into_iter().filter_map(|(name, min)| bound.min(&name, min));
            let most = amounts(&item["max"]).into_iter().filter_map(|(name, max)| bound.max_request(&name, max));
            least.chain(most).collect()
        }
        _ => Vec::new(),
    }
}

fn check(item: &Value, resources: &Value) -> Vec<String> {
    all(item, &amounts(&resources["requests"]), &amounts(&resources["limits"]))
}

fn all(item: &Value, requests: &Amounts, limits: &Amounts) -> Vec<String> {
    let bound = Bound { of: item["type"].as_str().unwrap_or_default(), requests, limits };
    let least = amounts(&item["min"]).into_iter().filter_map(|(name, min)| bound.min(&name, min));
    let most = amounts(&item["max"]).into_iter().filter_map(|(name, max)| bound.max(&name, max));
    let ratios =
        amounts(&item["maxLimitRequestRatio"]).into_iter().filter_map(|(name, ratio)| bound.ratio(&name, ratio));
    least.chain(most).chain(ratios).collect()
}

/// What a pod asks for: its containers together, or its init containers where they ask for more.
fn of_pod(spec: &Value, list: &str) -> Amounts {
    let of = |container: &Value| amounts(&container["resources"][list]);
    let (mut total, mut sidecars, mut peak) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in spec["containers"].as_array().into_iter().flatten() {
        add(&mut total, of(container));
    }
    for container in spec["initContainers"].as_array().into_iter().flatten() {
        let mut now = sidecars.clone();
        add(&mut now, of(container));
        if container["restartPolicy"] == "Always" {
            sidecars.clone_from(&now);
            add(&mut total, of(container));
        }
        raise(&mut peak, now);
    }
    raise(&mut total, peak);
    total
}

fn add(sums: &mut Amounts, more: Amounts) {
    for (name, amount) in more {
        let sum = sums.entry(name).or_default();
        *sum = *sum + amount;
    }
}

fn raise(highest: &mut Amounts, others: Amounts) {
    for (name, amount) in others {
        let high = highest.entry(name).or_insert(amount);
        *high = amount.max(*high);
    }
}

/// What is bounded.
struct Bound<'a> {
    of: &'a str,
    requests: &'a Amounts,
    limits: &'a Amounts,
}

impl Bound<'_> {
    fn min(&self, name: &str, min: Quantity) -> Option<String> {
        let why = match (self.requests.get(name), self.limits.get(name)) {
            (None, _) => ".  No request is specified".to_owned(),
            (Some(request), _) if *request < min => format!(", but request is {request}"),
            (_, Some(limit)) if *limit < min => format!(", but limit is {limit}"),
            _ => return None,
        };
        Some(format!("minimum {name} usage per {} is {min}{why}", self.of))
    }
    fn max(&self, name: &str, max: Quantity) -> Option<String> {
        let why = match (self.requests.get(name), self.limits.get(name)) {
            (_, None) => ".  No limit is specified".to_owned(),
            (_, Some(limit)) if *limit > max => format!(", but limit is {limit}"),
            (Some(request), _) if *request > max => format!(", but request is {request}"),
            _ => return None,
        };
        Some(format!("maximum {name} usage per {} is {max}{why}", self.of))
    }
    fn max_request(&self, name: &str, max: Quantity) -> Option<String> {
        let why = match self.requests.get(name) {
            None => ".  No request is specified".to_owned(),
            Some(request) if *request > max => format!(", but request is {request}"),
            Some(_) => return None,
        };
        Some(format!("maximum {name} usage per {} is {max}{why}", self.of))
    }
    fn ratio(&self, name: &str, most: Quantity) -> Option<String> {
        let set =
            |of: &Amounts| of.get(name).filter(|amount| !amount.is_zero()).map(|amount| amount.milli_value() as f64);
        let why = match (set(self.requests), set(self.limits)) {
            (None, _) => "no request is specified or request is 0".to_owned(),
            (_, None) => "no limit is specified or limit is 0".to_owned(),
            (Some(request), Some(limit)) => {
                let ratio = limit / request;
                if ratio * 1000.0 <= most.milli_value() as f64 {
                    return None;
                }
                format!("provided ratio is {ratio:.6}")
            }
        };
        Some(format!("{name} max limit to request ratio per {} is {most}, but {why}", self.of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_and_pods() {
        let pod = |list: &[Value]| {
            let containers: Vec<Value> = list.iter().map(|r| json!({"name": "c", "resources": r})).collect();
            json!({"spec": {"containers": containers}})
        };
        let sized = |request: &str, limit: &str| json!({"requests": {"cpu": request}, "limits": {"cpu": limit}});
        let one = pod(&[sized("1", "2")]);
        let two = pod(&[sized("1", "2"), sized("1", "2")]);
        let bare = pod(&[json!({})]);
        for (kind, bounds, object, expected) in [
            ("Container", json!({"max": {"cpu": "2"}, "min": {"cpu": "1"}}), &one, ""),
            ("Container", json!({"max": {"cpu": "1"}}), &one, "maximum cpu usage per Container is 1, but limit is 2"),
            (
                "Container",
                json!({"max": {"cpu": "500m"}}),
                &pod(&[sized("1", "500m")]),
                "maximum cpu usage per Container is 500m, but request is 1",
            ),
            (
                "Container",
                json!({"max": {"cpu": "1"}}),
                &bare,
                "maximum cpu usage per Container is 1.  No limit is specified",
            ),
            (
                "Container",
                json!({"min": {"cpu": "1500m"}}),
                &one,
                "minimum cpu usage per Container is 1500m, but request is 1",
            ),
            (
                "Container",
                json!({"min": {"cpu": "3"}}),
                &pod(&[sized("3", "2")]),
                "minimum cpu usage per Container is 3, but limit is 2",
            ),
            (
                "Container",
                json!({"min": {"cpu": "1"}}),
                &bare,
                "minimum cpu usage per Container is 1.  No request is specified",
            ),
            ("Container", json!({"maxLimitRequestRatio": {"cpu": "2"}}), &one, ""),
            (
                "Container",
                json!({"maxLimitRequestRatio": {"cpu": "1500m"}}),
                &one,
                "cpu max limit to request ratio per Container is 1500m, but provided ratio is 2.000000",
            ),
            (
                "Container",
                json!({"maxLimitRequestRatio": {"cpu": "2"}}),
                &bare,
                "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
            ),
            ("Pod", json!({"max": {"cpu": "4"}}), &two, ""),
            ("Pod", json!({"max": {"cpu": "3"}}), &two, "maximum cpu usage per Pod is 3, but limit is 4"),
            ("PersistentVolumeClaim", json!({"max": {"storage": "1"}}), &two, ""),
        ] {
            let mut item = bounds;
            item["type"] = json!(kind);
            assert_eq!(broken(&item, "pods", object).join("|"), expected, "{item}");
        }
        let both = broken(&json!({"type": "Container", "max": {"cpu": "1"}}), "pods", &two);
        assert_eq!(both.len(), 2, "one of each container: {both:?}");
    }

    #[test]
    fn init_containers_count_by_their_peak() {
        let of = |cpu: &str| json!({"requests": {"cpu": cpu}, "limits": {"cpu": cpu}});
        let spec = json!({"containers": [{"resources": of("1")}], "initContainers": [
            {"restartPolicy": "Always", "resources": of("500m")}, {"resources": of("2")}]});
        assert_eq!(of_pod(&spec, "requests")["cpu"].to_string(), "2500m");
    }

    #[test]
    fn claims() {
        let claim = json!({"spec": {"resources": {"requests": {"storage": "3Gi"}}}});
        for (bounds, expected) in [
            (json!({"min": {"storage": "1Gi"}, "max": {"storage": "3Gi"}}), ""),
            (
                json!({"min": {"storage": "4Gi"}}),
                "minimum storage usage per PersistentVolumeClaim is 4Gi, but request is 3Gi",
            ),
            (
                json!({"max": {"storage": "2Gi"}}),
                "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi",
            ),
        ] {
            let mut item = bounds;
            item["type"] = json!("PersistentVolumeClaim");
            assert_eq!(broken(&item, "persistentvolumeclaims", &claim).join("|"), expected);
        }
    }
}
