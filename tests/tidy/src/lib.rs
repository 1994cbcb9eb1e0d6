//! Style as a test: the rules of docs/ARCHITECTURE.md that a machine can check.

#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod files;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod licences;

/// The root of the checkout.
#[cfg(test)]
fn root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(std::path::Path::to_path_buf).unwrap_or_default()
}
