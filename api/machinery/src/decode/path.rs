//! Where in a document a reader is: a chain from the inside out, spelled only where something is wrong.

use std::fmt::{self, Write};

#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    /// A field of a struct.
    Field(&'a Path<'a>, &'a str),
    /// A key of a map.
    Key(&'a Path<'a>, &'a str),
    /// A place in a list.
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// `spec.containers.image`: fields alone, as Go's JSON package tells a path.
    pub(super) fn go(&self) -> String {
        let mut text = match self {
            Self::Root => return String::new(),
            Self::Field(parent, _) | Self::Key(parent, _) | Self::Item(parent, _) => parent.go(),
        };
        if let Self::Field(_, name) = self {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(name);
        }
        text
    }
}

/// `spec.containers[0].image`.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) | Self::Key(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) | Self::Key(parent, name) => {
                parent.fmt(f)?;
                f.write_char('.')?;
                f.write_str(name)
            }
            Self::Item(parent, place) => {
                parent.fmt(f)?;
                write!(f, "[{place}]")
            }
        }
    }
}
