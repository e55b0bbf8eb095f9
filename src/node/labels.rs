//! Labels by which the node finds what belongs to a pod.

/// Label of a record: the pod's namespace. Records of older builds have it outside of `default` only.
pub const NAMESPACE: &str = "probelet/namespace";
/// Label of a record: the pod's name.
pub const POD: &str = "probelet/pod";
/// Label of a record, and of a view of an image: the pod's uid.
pub const POD_UID: &str = "probelet/pod-uid";
