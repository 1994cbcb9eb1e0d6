//! ServiceCIDRs and IPAddresses (KEP-1880): ranges that may go only when nothing uses them, and an object for each
//! address that a Service has.

mod addresses;
mod ranges;

pub use addresses::AddressController;
pub use ranges::RangeController;

/// Storage names of the two kinds.
const RANGES: &str = "servicecidrs.networking.k8s.io";
const ADDRESSES: &str = "ipaddresses.networking.k8s.io";
