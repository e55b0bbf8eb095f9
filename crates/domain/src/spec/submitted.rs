//! The object of the Kubernetes API that a pod was made from.

/// A pod as a client of the Kubernetes API wrote it, with the API's defaults. It is given back as it
/// was written, with fields that have no effect here. Of it, only the finalizers decide something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// `metadata` and `spec` of the object, as JSON. Without what the server sets.
    pub object: String,
    /// What each manager of a server-side apply applied last, as JSON; empty if there is none.
    pub managers: String,
    /// Kubernetes' `metadata.generation`: 1 for a new pod, 1 more with each change of its spec.
    pub generation: u64,
    /// Kubernetes' `metadata.finalizers`, which are also in the object: while there are any, the
    /// records and the status of a deleted pod stay.
    pub finalizers: Vec<String>,
}
