//! Signs what is approved, or says why not.

use super::request::{RESOURCE, Wish};
use crate::{Controller, Ids, Plan, PlannedWrite, View};
use podium_machinery::{
    certificates::{Request, Signer, Validity},
    state::Event,
};
use podium_types::{Key, Timestamp};

/// The signer of the built-in signer names.
pub struct SigningController {
    /// Last second of the authority's own certificate.
    end: i64,
}

impl SigningController {
    /// For the authority of that certificate (PEM); nothing outlives it.
    pub fn new(ca: &str) -> Self {
        Self { end: podium_machinery::certificates::expiry(ca).unwrap_or(i64::MAX) }
    }
}

impl Controller for SigningController {
    fn name(&self) -> &'static str {
        "csrsigning"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[RESOURCE]
    }
    fn keys(&self, _view: &View, _resource: &str, event: &Event) -> Vec<Key> {
        vec![event.object.key.clone()]
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        Wish::keys(view)
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(wish) = Wish::find(view, key) else { return Plan::default() };
        let due = wish.condition("Approved").is_some()
            && ["Denied", "Failed"].iter().all(|kind| wish.condition(kind).is_none())
            && wish.certificate().is_none();
        let Some(signer) = Signer::named(wish.text("signerName")).filter(|_| due) else { return Plan::default() };
        let request = wish.request();
        let usages = wish.list("usages");
        if let Err(why) = Request::parse(&request).and_then(|request| signer.check(&request, &usages)) {
            let failed = wish.add("status", "Failed", "SignerValidationFailure", &why, now);
            return Plan { writes: vec![failed], note: format!("refused: {why}"), ..Plan::default() };
        }
        let write = PlannedWrite::Sign {
            key: key.clone(),
            uid: wish.header.object.uid.clone(),
            revision: wish.header.object.revision,
            usages: usages.into_iter().map(str::to_owned).collect(),
            request,
            validity: Validity::new(now, wish.object["spec"]["expirationSeconds"].as_i64(), self.end),
        };
        Plan { writes: vec![write], note: format!("signs {}", key.name), ..Plan::default() }
    }
}
