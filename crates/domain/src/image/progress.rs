//! How far a pull is.

/// Of one pull. No layers yet: the registry is being asked what the image is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    pub layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub digest: String,
    pub size: u64,
    /// Bytes of it that are here.
    pub done: u64,
    pub state: LayerState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    Waiting,
    Downloading,
    Downloaded,
    Extracting,
    Done,
}

impl LayerState {
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
