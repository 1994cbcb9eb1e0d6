//! Bodies of requests: JSON, YAML, protobuf.

use crate::{bounds::held, mutate::damaged, seeds};
use podium_machinery::{
    decode::{self, FieldValidation},
    defaults, protobuf,
};
use proptest::prelude::*;

/// What a decoder made can be defaulted, validated, shown and written again.
fn used(mut object: serde_json::Value) {
    defaults::apply(seeds::schema(), &mut object);
    let kind = podium_kinds::by_resource("deployments.apps").unwrap();
    kind.strategy.default(&mut object);
    let _ = kind.strategy.validate(&object);
    let _ = kind.strategy.validate_update(&object, &seeds::deployment(), &context());
    let _ = kind.strategy.warnings(&object);
    let _ = (kind.row)(&object, jiff::Timestamp::UNIX_EPOCH);
    let _ = protobuf::encode_as(&object, seeds::schema());
}

fn context() -> podium_kinds::Context<'static> {
    podium_kinds::Context { now: jiff::Timestamp::UNIX_EPOCH, user: "", subresource: "" }
}

proptest! {
    #[test]
    fn json(bytes in damaged(vec![seeds::json_text()])) {
        for validation in [FieldValidation::Strict, FieldValidation::Warn, FieldValidation::Ignore] {
            held(bytes.len(), || decode::json(&bytes, seeds::schema(), validation).map(|d| used(d.value)).is_ok());
        }
        held(bytes.len(), || decode::free_json(&bytes).is_ok());
    }

    #[test]
    fn yaml(bytes in damaged(vec![seeds::yaml_text(), seeds::json_text()])) {
        for validation in [FieldValidation::Strict, FieldValidation::Ignore] {
            held(bytes.len(), || decode::yaml(&bytes, seeds::schema(), validation).map(|d| used(d.value)).is_ok());
        }
        held(bytes.len(), || decode::configuration(&bytes).is_ok());
    }

    #[test]
    fn protobuf(bytes in damaged(vec![seeds::protobuf_bytes()])) {
        held(bytes.len(), || protobuf::decode(&bytes).is_ok());
        held(bytes.len(), || protobuf::decode_as(&bytes, seeds::schema()).map(used).is_ok());
    }
}

/// Deep and repeated structures, which random damage rarely makes.
#[test]
fn bombs() {
    let deep = "[".repeat(100_000);
    let maps = "{\"a\":".repeat(20_000);
    let flow = "{a: ".repeat(20_000);
    let indented: String = (0..2_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..12 {
        let list = vec![format!("*a{}", i - 1); 10].join(",");
        laughs.push_str(&format!("a{i}: &a{i} [{list}]\n"));
    }
    for text in [deep, maps, flow, indented, laughs] {
        let (bytes, size) = (text.as_bytes(), text.len());
        for validation in [FieldValidation::Strict, FieldValidation::Ignore] {
            assert!(held(size, || decode::json(bytes, seeds::schema(), validation).is_err()));
            assert!(held(size, || decode::yaml(bytes, seeds::schema(), validation).is_err()));
        }
    }
}
