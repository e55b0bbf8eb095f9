//! Progress of a pull, layer by layer.

/// Progress of one pull. It has no layers until the image's manifest is known.
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
    /// Bytes of the blob that are in the store.
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
    /// Sets bytes and state of all layers with this digest. One blob can be several layers of an
    /// image.
    pub fn set(&mut self, digest: &str, done: u64, state: LayerState) {
        for layer in self.layers.iter_mut().filter(|layer| layer.digest == digest) {
            layer.done = done.min(layer.size);
            layer.state = state;
        }
    }
}
