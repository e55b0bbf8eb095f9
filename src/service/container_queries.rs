//! `GetContainer`, `ListContainers` and `WaitContainer`.

use std::sync::Arc;

use super::container_answers::{ContainerAnswers, ended_attempt};
use super::error::{Result, field};
use super::{convert, timeouts};
use crate::pb::{self, wait_container_request::Condition};
use crate::supervisor::Supervisor;

/// Calls that read containers.
#[derive(Clone)]
pub struct ContainerQueries {
    supervisor: Arc<Supervisor>,
    answers: ContainerAnswers,
}

impl ContainerQueries {
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { answers: ContainerAnswers::new(supervisor.clone()), supervisor }
    }

    pub fn get(&self, request: &pb::GetContainerRequest) -> Result<pb::Container> {
        let view =
            self.supervisor.get(&self.supervisor.find(&request.namespace, &request.name)?)?;
        self.answers.named(&view, &request.container)
    }

    pub fn list(&self, request: &pb::ListContainersRequest) -> pb::ListContainersResponse {
        let views = self.supervisor.list();
        let containers = views
            .iter()
            .filter(|view| convert::is_of_namespace(view, &request.namespace))
            .flat_map(|view| view.status.all().map(move |status| (view, status)))
            .map(|(view, status)| convert::container(&self.supervisor, view, status))
            .collect();
        pb::ListContainersResponse { containers }
    }

    pub async fn wait(&self, request: pb::WaitContainerRequest) -> Result<pb::Container> {
        let pb::WaitContainerRequest { namespace, name, container, condition, timeout } = request;
        let pod = self.supervisor.find(&namespace, &name)?;
        let (answers, one) = (&self.answers, (&pod, container.as_str()));
        let timeout = timeouts::of_wait(timeout)?;
        match condition {
            Some(Condition::Running(wanted)) => {
                answers.named_when(one, "running", timeout, |s| s.pid.is_some() == wanted).await
            }
            Some(Condition::Ready(wanted)) => {
                answers.named_when(one, "ready", timeout, |s| s.ready == wanted).await
            }
            Some(Condition::Exited(wanted)) => {
                let exited = |s: &_| ended_attempt(s).is_some() == wanted;
                answers.named_when(one, "exited", timeout, exited).await
            }
            Some(Condition::Restarts(count)) => {
                answers.named_when(one, "restarts", timeout, |s| s.restart_count >= count).await
            }
            None => Err(field("condition", "Required value").into()),
        }
    }
}
