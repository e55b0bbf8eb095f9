//! How far a pull is.

/// Of one pull. No layers yet: the registry is being asked what the image is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Layers of the image, in the order of its manifest.
    pub layers: Vec<Layer>,
}

/// Progress of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the layer's blob.
    pub digest: String,
    /// Bytes of the layer's blob.
    pub size: u64,
    /// Bytes of it that are here.
    pub done: u64,
    /// Step that the layer is in.
    pub state: LayerState,
}

/// Step of a layer's pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// The download has not begun.
    Waiting,
    /// The download is under way.
    Downloading,
    /// The whole blob is in the store.
    Downloaded,
    /// The blob is being unpacked into a snapshot.
    Extracting,
    /// The layer is unpacked.
    Done,
}

impl LayerState {
    /// Name of the step, as Docker prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Downloading => "Downloading",
            Self::Downloaded => "Download complete",
            Self::Extracting => "Extracting",
            Self::Done => "Pull complete",
        }
    }
}

impl Progress {
    /// One blob may be several of an image's layers.
    pub fn set(&mut self, digest: &str, done: u64, state: LayerState) {
        for layer in self.layers.iter_mut().filter(|layer| layer.digest == digest) {
            layer.done = done.min(layer.size);
            layer.state = state;
        }
    }
}
