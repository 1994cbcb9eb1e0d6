//! What only the image and the runtime tell of a running container: who it began as, and what stops it.

use super::hooks::signal;
use nix::sys::signal::Signal;
use podium_oci::UserSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Of one container.
pub(super) struct Facts {
    user: Value,
    stop_signal: String,
}

impl Facts {
    /// `stop_signal` as the pod or else the image names it.
    pub fn new(user: &UserSpec, stop_signal: Option<String>) -> Self {
        let number = stop_signal.and_then(|text| signal(&text)).unwrap_or(libc::SIGTERM);
        let stop_signal = Signal::try_from(number).map_or_else(|_| real_time(number), |s| s.to_string());
        let mut groups = user.additional_gids.clone();
        if !groups.contains(&user.gid) {
            groups.insert(0, user.gid);
        }
        Self {
            user: json!({ "linux": { "uid": user.uid, "gid": user.gid, "supplementalGroups": groups } }),
            stop_signal,
        }
    }
}

/// `SIGRTMIN+3`, as the API spells it.
fn real_time(number: i32) -> String {
    format!("SIGRTMIN+{}", number - libc::SIGRTMIN())
}

/// Adds to a pod's status what is known of containers that have begun.
pub(super) fn decorate(facts: &BTreeMap<String, Facts>, status: &mut Value) {
    for list in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
        for container in status.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(facts) = container["name"].as_str().and_then(|name| facts.get(name)) else { continue };
            if container["state"]["running"].is_object() {
                container["user"] = facts.user.clone();
                container["stopSignal"] = facts.stop_signal.clone().into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_has_a_user() {
        let user = UserSpec { uid: 7, gid: 8, additional_gids: vec![9] };
        let facts = |signal: &str| Facts::new(&user, Some(signal.to_owned()));
        let all = [("a".to_owned(), facts("USR1")), ("b".to_owned(), facts("9"))].into();
        let state = |name: &str, state: &str| json!({ "name": name, "state": { state: {} } });
        let mut status = json!({ "containerStatuses": [state("a", "running"), state("b", "terminated")] });
        decorate(&all, &mut status);
        let linux = json!({ "uid": 7, "gid": 8, "supplementalGroups": [8, 9] });
        assert_eq!(status["containerStatuses"][0]["user"]["linux"], linux);
        assert_eq!(status["containerStatuses"][0]["stopSignal"], "SIGUSR1");
        assert_eq!(status["containerStatuses"][1], state("b", "terminated"));
        assert_eq!(Facts::new(&user, None).stop_signal, "SIGTERM");
        assert_eq!(facts(&(libc::SIGRTMIN() + 3).to_string()).stop_signal, "SIGRTMIN+3");
    }
}
