//! Patches of all three kinds: damaged ones are refused or applied, never survived by luck.

use crate::{bounds::held, mutate::damaged, seeds};
use podium_machinery::{decode, patch};
use proptest::prelude::*;

const JSON_PATCH: &[u8] = br#"[{"op":"test","path":"/spec/replicas","value":3},
    {"op":"replace","path":"/spec/replicas","value":4},{"op":"remove","path":"/metadata/finalizers/0"},
    {"op":"copy","from":"/metadata/labels","path":"/metadata/annotations/x~1y"},
    {"op":"move","from":"/spec/template/spec/containers/0","path":"/spec/template/spec/containers/-"},
    {"op":"add","path":"/metadata/finalizers/-","value":"x.y/z"}]"#;
const MERGE: &[u8] = br#"{"metadata":{"labels":{"app":null,"tier":"x"}},"spec":{"replicas":null,"template":null}}"#;
const STRATEGIC: &[u8] = br#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a.b/c"],
    "$setElementOrder/finalizers":["d.e/f","g.h/i"],"finalizers":["g.h/i"]},
    "spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"},"template":{"spec":{
    "$setElementOrder/containers":[{"name":"b"},{"name":"a"}],
    "containers":[{"name":"a","image":"x"},{"name":"b","$patch":"delete"},{"name":"c","image":"y",
    "env":[{"$patch":"replace"},{"name":"A"}]}],"volumes":[{"name":"v","$retainKeys":["name","hostPath"],
    "hostPath":{"path":"/"}}],"tolerations":[]}}}}"#;

proptest! {
    #[test]
    fn any_patch(bytes in damaged(vec![JSON_PATCH.to_vec(), MERGE.to_vec(), STRATEGIC.to_vec()])) {
        let object = seeds::deployment();
        let Ok((parsed, _)) = held(bytes.len(), || decode::patch_json(&bytes)) else { return Ok(()) };
        held(bytes.len(), || patch::json(&object, &parsed).is_ok());
        held(bytes.len(), || {
            let mut target = object.clone();
            patch::merge(&mut target, &parsed);
        });
        held(bytes.len(), || patch::strategic(seeds::schema(), &object, &parsed).is_ok());
    }

    /// A merge patch that was applied changes nothing when it is applied again.
    #[test]
    fn merging_twice_is_merging_once(bytes in damaged(vec![MERGE.to_vec()])) {
        let Ok((parsed, _)) = decode::patch_json(&bytes) else { return Ok(()) };
        let mut once = seeds::deployment();
        patch::merge(&mut once, &parsed);
        let mut twice = once.clone();
        patch::merge(&mut twice, &parsed);
        prop_assert_eq!(once, twice);
    }
}

/// What all copies of one patch may add, in memory rather than as JSON, as bytes of input.
const COPIES: usize = 16 << 10;

/// Each operation doubles what the one before it made.
#[test]
fn doubling() {
    let copy = |i| format!(r#"{{"op":"copy","from":"/metadata","path":"/metadata/x{i}"}}"#);
    let text = format!("[{}]", (0..40).map(copy).collect::<Vec<_>>().join(","));
    let (parsed, _) = decode::patch_json(text.as_bytes()).unwrap();
    assert!(held(COPIES, || patch::json(&seeds::deployment(), &parsed).is_err()));
}

#[test]
fn the_seeds_apply() {
    let object = seeds::deployment();
    let read = |bytes: &[u8]| decode::patch_json(bytes).unwrap().0;
    patch::json(&object, &read(JSON_PATCH)).unwrap();
    patch::strategic(seeds::schema(), &object, &read(STRATEGIC)).unwrap();
}
