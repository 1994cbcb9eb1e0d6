//! The cluster's DNS names, and answers about them (Kubernetes DNS-Based Service Discovery 1.1.0).

mod answer;
mod names;
mod records;
#[cfg(test)]
mod tests;
mod zone;

pub use answer::{Answer, Code, answer};
pub use records::{Data, Record, RecordType};
pub use zone::{ENDPOINT_TTL, SERVICE_TTL, Zone, ZoneConfig};
