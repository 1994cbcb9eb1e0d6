//! Which form of an answer the client wants (RFC 9110 §12.5.1, and Kubernetes' `as=`).

use podium_machinery::protobuf;
use podium_types::ApiError;

/// The forms of an object or list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object itself.
    Plain,
    /// Rows and columns for people.
    Table,
    /// Metadata alone.
    Metadata,
    /// The object itself, in protobuf.
    Binary,
    /// Metadata alone, in protobuf.
    BinaryMetadata,
}

impl Form {
    /// Whether it is protobuf.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Binary | Self::BinaryMetadata)
    }
    /// The media type of an answer.
    pub(crate) fn media_type(self) -> &'static str {
        if self.is_binary() { protobuf::MEDIA_TYPE } else { JSON }
    }
}

const JSON: &str = "application/json";
const OFFERS: &str = "application/json, application/vnd.kubernetes.protobuf";

/// Chooses a form; `transformable` is false where there is nothing but the object itself,
/// `binary` where it has no protobuf.
pub(crate) fn form(accept: &str, transformable: bool, binary: bool) -> Result<Form, ApiError> {
    if accept.trim().is_empty() {
        return Ok(Form::Plain);
    }
    let mut ranges: Vec<(f32, Vec<&str>)> = accept
        .split(',')
        .map(|range| {
            let parts: Vec<&str> = range.split(';').map(str::trim).collect();
            let quality = parts.iter().find_map(|p| p.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
            (quality, parts)
        })
        .collect();
    ranges.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (quality, parts) in ranges {
        let proto = match parts.first() {
            _ if quality <= 0.0 => continue,
            Some(&(JSON | "application/*" | "*/*")) => false,
            Some(&protobuf::MEDIA_TYPE) if binary => true,
            _ => continue,
        };
        let value = |name: &str| parts.iter().find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        let meta = value("g") == Some("meta.k8s.io") && matches!(value("v"), Some("v1" | "v1beta1"));
        match value("as") {
            None => return Ok(if proto { Form::Binary } else { Form::Plain }),
            Some("Table") if meta && transformable && !proto => return Ok(Form::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if meta && transformable => {
                return Ok(if proto { Form::BinaryMetadata } else { Form::Metadata });
            }
            Some(_) => {}
        }
    }
    Err(ApiError::not_acceptable(if binary { OFFERS } else { JSON }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let table = [
            ("", true, Some(Form::Plain)),
            ("*/*", true, Some(Form::Plain)),
            (kubectl, true, Some(Form::Table)),
            (kubectl, false, Some(Form::Plain)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", false, None),
            ("application/vnd.kubernetes.protobuf,application/json", true, Some(Form::Plain)),
            (
                concat!(
                    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,",
                    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
                ),
                true,
                Some(Form::Metadata),
            ),
            ("text/html", true, None),
            ("application/json;q=0", true, None),
        ];
        for (accept, transformable, expected) in table {
            assert_eq!(form(accept, transformable, false).ok(), expected, "{accept}");
        }
        let metadata =
            table.iter().find(|(accept, ..)| accept.contains("protobuf;as=")).map_or("", |(accept, ..)| *accept);
        for (accept, expected) in [
            ("application/vnd.kubernetes.protobuf,application/json", Some(Form::Binary)),
            ("application/json,application/vnd.kubernetes.protobuf", Some(Form::Plain)),
            ("application/vnd.kubernetes.protobuf;stream=watch", Some(Form::Binary)),
            ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", None),
            (metadata, Some(Form::BinaryMetadata)),
        ] {
            assert_eq!(form(accept, true, true).ok(), expected, "{accept}");
        }
    }
}
