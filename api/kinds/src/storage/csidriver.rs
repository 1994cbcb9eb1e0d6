//! CSIDriver: what a storage driver can do.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{is_unset, items, plain, set, set_default, text},
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp, meta};
use serde_json::{Value, json};

/// storage.k8s.io/v1 CSIDriver.
pub static KIND: Kind = Kind {
    group: "storage.k8s.io",
    kind: "CSIDriver",
    list_kind: "CSIDriverList",
    plural: "csidrivers",
    singular: "csidriver",
    namespaced: false,
    resource: "csidrivers.storage.k8s.io",
    schema: "io.k8s.api.storage.v1.CSIDriver",
    columns: &[
        Column::NAME,
        Column::text("AttachRequired"),
        Column::text("PodInfoOnMount"),
        Column::text("StorageCapacity"),
        Column::text("TokenRequests"),
        Column::text("RequiresRepublish"),
        Column::text("Modes"),
        Column::AGE,
    ],
    row,
    strategy: &Driver,
    ..Kind::PLAIN
};

/// Abilities and what they are where the driver does not say.
const ABILITIES: &[(&str, bool)] = &[
    ("attachRequired", true),
    ("podInfoOnMount", false),
    ("storageCapacity", false),
    ("requiresRepublish", false),
    ("seLinuxMount", false),
];

struct Driver;

impl Strategy for Driver {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        for (ability, given) in ABILITIES {
            set_default(spec, ability, *given);
        }
        set_default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        if is_unset(&spec["volumeLifecycleModes"]) {
            set(spec, "volumeLifecycleModes", json!(["Persistent"]));
        }
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        super::driver_name(&mut errors, &json!(meta::name(object)), "metadata.name");
        for mode in items(&spec["volumeLifecycleModes"]) {
            rules::one_of(&mut errors, mode, "spec.volumeLifecycleModes", &["Ephemeral", "Persistent"]);
        }
        let policies = &["File", "None", "ReadWriteOnceWithFSType"];
        rules::one_of(&mut errors, &spec["fsGroupPolicy"], "spec.fsGroupPolicy", policies);
        let mut seen = std::collections::BTreeSet::new();
        for (i, token) in items(&spec["tokenRequests"]).iter().enumerate() {
            let path = format!("spec.tokenRequests[{i}].audience");
            rules::unique(&mut errors, &mut seen, text(&token["audience"]), &path);
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let fields = &["attachRequired", "volumeLifecycleModes"];
        rules::fixed(&mut errors, &object["spec"], &old["spec"], "spec", fields);
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let list = |list: &Value, field: &str| {
        let words: Vec<&str> =
            items(list).iter().map(|i| if field.is_empty() { text(i) } else { text(&i[field]) }).collect();
        words.join(",")
    };
    let tokens = list(&spec["tokenRequests"], "audience");
    let ability = |name: &str| json!(plain(&spec[name]) == "true");
    vec![
        cells::name(object),
        ability("attachRequired"),
        ability("podInfoOnMount"),
        ability("storageCapacity"),
        json!(if tokens.is_empty() { "<unset>".to_owned() } else { tokens }),
        ability("requiresRepublish"),
        json!(list(&spec["volumeLifecycleModes"], "")),
        cells::age(object, now),
    ]
}
