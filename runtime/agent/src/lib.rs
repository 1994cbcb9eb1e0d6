//! The node agent: PodActors, node status, the kubelet HTTP API.
