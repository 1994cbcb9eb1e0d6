//! Which form of an answer the client wants (RFC 9110 §12.5.1, and Kubernetes' `as=`).

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
}

const OFFERS: &str = "application/json";

/// Chooses a form; `transformable` is false where there is nothing but the object itself.
pub(crate) fn form(accept: &str, transformable: bool) -> Result<Form, ApiError> {
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
        if quality <= 0.0 || !matches!(parts.first(), Some(&("application/json" | "application/*" | "*/*"))) {
            continue;
        }
        let value = |name: &str| parts.iter().find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        let meta = value("g") == Some("meta.k8s.io") && matches!(value("v"), Some("v1" | "v1beta1"));
        match value("as") {
            None => return Ok(Form::Plain),
            Some("Table") if meta && transformable => return Ok(Form::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if meta && transformable => {
                return Ok(Form::Metadata);
            }
            Some(_) => {}
        }
    }
    Err(ApiError::not_acceptable(OFFERS))
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
            assert_eq!(form(accept, transformable).ok(), expected, "{accept}");
        }
    }
}
