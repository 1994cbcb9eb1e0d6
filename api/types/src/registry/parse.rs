//! Reads the registry's tables.
//!
//! A table is lines of words:
//! `/ core io.k8s.api.core.v1` – the types that follow are of this package, short name `core`;
//! `Pod gvk=v1/Pod` – a type (`atomic`, `shape=time` where it is not an object);
//! ` name str 1 !` – a field: type, protobuf number or `-`, then what is known of it.
//! Types of fields: `str bytes i32 i64 f64 bool any`, `core:Pod` or `:Pod` of the same
//! package, behind `[]` for a list and `{}` for a map. ` + :VolumeSource 2` embeds a message.

use super::{Embedded, Field, FieldType, ListType, Shape, Table, Type, TypeId};
use std::collections::BTreeMap;

/// Types whose fields are still lines: name, its words, its field lines.
struct Draft {
    name: String,
    package: &'static str,
    words: std::str::SplitAsciiWhitespace<'static>,
    lines: Vec<&'static str>,
}

pub(super) fn parse(texts: &[&'static str]) -> Result<Table, String> {
    let mut packages = BTreeMap::new();
    let mut drafts: Vec<Draft> = Vec::new();
    for text in texts {
        let mut package = "";
        for line in text.lines() {
            if line.starts_with('#') || line.is_empty() {
            } else if let Some(names) = line.strip_prefix("/ ") {
                let (short, name) = names.split_once(' ').ok_or_else(|| bad(line))?;
                packages.insert(short, name);
                package = name;
            } else if line.starts_with(' ') {
                drafts.last_mut().ok_or_else(|| bad(line))?.lines.push(line);
            } else {
                let mut words = line.split_ascii_whitespace();
                let short = words.next().filter(|_| !package.is_empty()).ok_or_else(|| bad(line))?;
                drafts.push(Draft { name: format!("{package}.{short}"), package, words, lines: Vec::new() });
            }
        }
    }
    drafts.sort_by(|a, b| a.name.cmp(&b.name));
    let names = Names { packages, names: drafts.iter().map(|d| d.name.clone()).collect() };
    let types = drafts.into_iter().map(|d| read_type(d, &names)).collect::<Result<Vec<_>, _>>()?;
    let mut kinds = Vec::new();
    for (i, t) in types.iter().enumerate() {
        if let Some(gvk) = t.gvk {
            kinds.push((gvk, id(i)?));
        }
    }
    kinds.sort_by_key(|(gvk, _)| *gvk);
    Ok(Table { types, kinds })
}

fn bad(line: &str) -> String {
    format!("schema table: cannot read {line:?}")
}

fn id(place: usize) -> Result<TypeId, String> {
    u16::try_from(place).map(TypeId).map_err(|e| e.to_string())
}

struct Names {
    packages: BTreeMap<&'static str, &'static str>,
    names: Vec<String>,
}

impl Names {
    fn field_type(&self, word: &str, home: &str) -> Result<FieldType, String> {
        if let Some(rest) = word.strip_prefix("[]") {
            return Ok(FieldType::List(Box::new(self.field_type(rest, home)?)));
        }
        if let Some(rest) = word.strip_prefix("{}") {
            return Ok(FieldType::Map(Box::new(self.field_type(rest, home)?)));
        }
        Ok(match word {
            "str" => FieldType::String,
            "bytes" => FieldType::Bytes,
            "i32" => FieldType::Int32,
            "i64" => FieldType::Int64,
            "f64" => FieldType::Number,
            "bool" => FieldType::Boolean,
            "any" => FieldType::Any,
            _ => FieldType::Ref(self.reference(word, home)?),
        })
    }

    fn reference(&self, word: &str, home: &str) -> Result<TypeId, String> {
        let (package, short) = word.split_once(':').ok_or_else(|| bad(word))?;
        let package =
            if package.is_empty() { home } else { self.packages.get(package).copied().ok_or_else(|| bad(word))? };
        let name = format!("{package}.{short}");
        id(self.names.binary_search(&name).map_err(|_| format!("schema table: no type {name}"))?)
    }
}

fn read_type(draft: Draft, names: &Names) -> Result<Type, String> {
    let mut made = Type {
        name: draft.name,
        shape: Shape::Object,
        fields: Vec::with_capacity(draft.lines.len()),
        embedded: Vec::new(),
        atomic: false,
        gvk: None,
    };
    for word in draft.words {
        match word.split_once('=') {
            None if word == "atomic" => made.atomic = true,
            Some(("gvk", gvk)) => made.gvk = Some(gvk),
            Some(("shape", name)) => made.shape = shape(name).ok_or_else(|| bad(word))?,
            _ => return Err(bad(word)),
        }
    }
    for line in draft.lines {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(ty), Some(tag)) = (words.next(), words.next(), words.next()) else {
            return Err(bad(line));
        };
        let tag = if tag == "-" { 0 } else { tag.parse().map_err(|_| bad(line))? };
        if name == "+" {
            made.embedded.push(Embedded { message: names.reference(ty, draft.package)?, tag });
        } else {
            let ty = names.field_type(ty, draft.package)?;
            made.fields.push(read_field(name, ty, tag, words).ok_or_else(|| bad(line))?);
        }
    }
    Ok(made)
}

fn shape(name: &str) -> Option<Shape> {
    Some(match name {
        "time" => Shape::Time,
        "microtime" => Shape::MicroTime,
        "duration" => Shape::Duration,
        "quantity" => Shape::Quantity,
        "intorstring" => Shape::IntOrString,
        "raw" => Shape::Raw,
        "fieldsv1" => Shape::FieldsV1,
        "json" => Shape::Json,
        "schemaorarray" => Shape::SchemaOrArray,
        "schemaorbool" => Shape::SchemaOrBool,
        "schemaorstrings" => Shape::SchemaOrStrings,
        _ => return None,
    })
}

fn read_field(name: &'static str, ty: FieldType, tag: u32, words: impl Iterator<Item = &'static str>) -> Option<Field> {
    let list = matches!(ty, FieldType::List(_) | FieldType::Bytes);
    let mut made = Field {
        name,
        ty,
        tag,
        required: false,
        pointer: false,
        wrapped: false,
        default: None,
        list_type: ListType::Unset,
        map_keys: Vec::new(),
        atomic: None,
        patch_merge: false,
        patch_replace: false,
        retain_keys: false,
        merge_key: None,
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("!", _) => made.required = true,
            ("pointer", _) => made.pointer = true,
            ("wrapped", _) => made.wrapped = true,
            ("atomic", _) if list => made.list_type = ListType::Atomic,
            ("atomic", _) => made.atomic = Some(true),
            ("granular", _) => made.atomic = Some(false),
            ("set", _) => made.list_type = ListType::Set,
            ("map", keys) => {
                made.list_type = ListType::Map;
                made.map_keys = keys.split(',').collect();
            }
            ("patch:merge", _) => made.patch_merge = true,
            ("patch:replace", _) => made.patch_replace = true,
            ("patch:retainKeys", _) => made.retain_keys = true,
            ("key", key) => made.merge_key = Some(key),
            ("default", json) => made.default = Some(serde_json::from_str(json).ok()?),
            _ => return None,
        }
    }
    Some(made)
}
