//! Endpoints and EndpointSlices: the addresses of the pods behind each Service.

pub mod address;
mod legacy;
mod slices;

pub use legacy::EndpointsController;
pub use slices::{EndpointSliceController, SLICE_LIMIT};
