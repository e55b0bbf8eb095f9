//! `grpc.health.v1.Health` with the configured behaviour.

use std::future::pending;
use std::sync::Arc;

use anyhow::{Result, bail};
use http::Request;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::codegen::{BoxStream, Service};
use tonic::{Response, Status, async_trait};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::listen::{Counters, Wire};

#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Status(ServingStatus),
    Hang,
    Unimplemented,
}

impl Answer {
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        Ok(match words {
            [] | ["--status", "SERVING"] => Self::Status(ServingStatus::Serving),
            ["--status", "NOT_SERVING"] => Self::Status(ServingStatus::NotServing),
            ["--status", "UNKNOWN"] => Self::Status(ServingStatus::Unknown),
            ["--hang"] => Self::Hang,
            ["--unimplemented"] => Self::Unimplemented,
            _ => bail!("unknown words {words:?}"),
        })
    }
}

pub(crate) async fn serve(wire: Wire, answer: Answer, counters: Arc<Counters>) -> Result<()> {
    let health = HealthServer::new(Reporter { answer, counters });
    let service = service_fn(move |request: Request<_>| health.clone().call(request));
    Ok(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(wire), service).await?)
}

struct Reporter {
    answer: Answer,
    counters: Arc<Counters>,
}

#[async_trait]
impl Health for Reporter {
    /// Answers for the server as a whole and for a service `db`.
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !matches!(service.as_str(), "" | "db") {
            return Err(Status::not_found("unknown service"));
        }
        let status = match self.answer {
            _ if self.counters.is_well("/grpc.health.v1.Health/Check") => ServingStatus::Serving,
            Answer::Status(status) => status,
            Answer::Hang => pending().await,
            Answer::Unimplemented => {
                return Err(Status::unimplemented("unknown service grpc.health.v1.Health"));
            }
        };
        Ok(Response::new(HealthCheckResponse { status: status as i32 }))
    }

    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("no prober watches"))
    }
}
