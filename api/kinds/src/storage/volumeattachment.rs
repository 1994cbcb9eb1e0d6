//! VolumeAttachment: that a volume shall be, or is, attached to a node.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{is_unset, plain, set, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// storage.k8s.io/v1 VolumeAttachment.
pub static KIND: Kind = Kind {
    group: "storage.k8s.io",
    kind: "VolumeAttachment",
    list_kind: "VolumeAttachmentList",
    plural: "volumeattachments",
    singular: "volumeattachment",
    namespaced: false,
    resource: "volumeattachments.storage.k8s.io",
    schema: "io.k8s.api.storage.v1.VolumeAttachment",
    subresources: &[Subresource::part("status", "VolumeAttachment")],
    columns: &[
        Column::NAME,
        Column::text("Attacher"),
        Column::text("PV"),
        Column::text("Node"),
        Column::text("Attached"),
        Column::AGE,
    ],
    row,
    strategy: &Attachment,
    ..Kind::PLAIN
};

struct Attachment;

impl Strategy for Attachment {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({"attached": false}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        super::driver_name(&mut errors, &spec["attacher"], "spec.attacher");
        let source = &spec["source"];
        let volume = text(&source["persistentVolumeName"]);
        match (volume.is_empty(), is_unset(&source["inlineVolumeSpec"])) {
            (true, true) => {
                let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
                errors.push(FieldError::required("spec.source", why));
            }
            (false, false) => {
                let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
                errors.push(FieldError::invalid("spec.source", source, why));
            }
            (false, true) => {
                rules::form(&mut errors, names::dns_subdomain(volume), "spec.source.persistentVolumeName", volume);
            }
            (true, false) => {}
        }
        rules::required_form(&mut errors, names::dns_subdomain, &spec["nodeName"], "spec.nodeName");
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, object, old, "", &["spec"]);
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    vec![
        cells::name(object),
        json!(text(&spec["attacher"])),
        json!(text(&spec["source"]["persistentVolumeName"])),
        json!(text(&spec["nodeName"])),
        json!(plain(&object["status"]["attached"]) == "true"),
        cells::age(object, now),
    ]
}
