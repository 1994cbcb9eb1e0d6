//! Endpoints and EndpointSlices: the addresses of the pods behind each Service.

pub mod address;
mod hints;
mod legacy;
mod mirror;
mod ports;
mod slices;

pub use legacy::{ADDRESS_LIMIT, EndpointsController};
pub use mirror::EndpointSliceMirroringController;
pub use slices::{EndpointSliceController, SLICE_LIMIT};
