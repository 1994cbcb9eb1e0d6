//! The environment of a container: expansion, references, services.

mod build;
mod expand;
mod field;
mod file;
mod services;

pub use build::{EnvError, Sources, build};
pub use expand::expand;
pub use field::{Facts, annotations_text, field, labels_text, resource_field};
pub use services::service_env;
