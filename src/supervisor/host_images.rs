//! Requests of callers for the images of the host.

use std::sync::Arc;

use super::error::SupervisorError;
use super::pod_views::PodViews;
use super::pulls::{Pull, Pulls};
use crate::domain::image::{Stored, normalise};
use crate::node::{Node, NodeError};

pub struct HostImages {
    runtime: Arc<dyn Node>,
    pulls: Arc<Pulls>,
    views: Arc<PodViews>,
}

impl HostImages {
    pub fn new(runtime: Arc<dyn Node>, pulls: Arc<Pulls>, views: Arc<PodViews>) -> Self {
        Self { runtime, pulls, views }
    }

    /// Pulls an image with the host's credentials. An error means that the name is invalid.
    pub fn pull(&self, name: &str) -> Result<Pull, String> {
        self.pulls.join(name, Vec::new())
    }

    pub async fn list(&self) -> Result<Vec<Stored>, SupervisorError> {
        Ok(self.runtime.images().await?)
    }

    /// Removes an image. Fails if a pod uses it, whether or not the pod has started.
    pub async fn remove(&self, name: &str) -> Result<String, SupervisorError> {
        let wanted = normalise(name);
        let is_it = |name: &String| normalise(name) == wanted;
        let views = self.views.list();
        let user = views.iter().find(|view| view.spec.images().any(is_it));
        if let Some(view) = user {
            let text = format!("image {name:?} is in use by pod {}", view.spec.key());
            return Err(NodeError::InUse(text).into());
        }
        Ok(self.runtime.remove_image(name).await?)
    }
}
