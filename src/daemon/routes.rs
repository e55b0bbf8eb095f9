//! The gRPC services of the daemon, with health and reflection.

use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};

use crate::pb;
use crate::pb::containers_server::ContainersServer;
use crate::pb::events_server::EventsServer;
use crate::pb::images_server::ImagesServer;
use crate::pb::kubeconfigs_server::KubeconfigsServer;
use crate::pb::meta_server::MetaServer;
use crate::pb::pods_server::PodsServer;
use crate::service::{KubeconfigsApi, MetaApi, RecoveryGate, Services};

/// The routes. `gate` is before all services that need the pods.
pub fn routes(
    services: &Services,
    meta: MetaApi,
    kubeconfigs: KubeconfigsApi,
    gate: &RecoveryGate,
    health: HealthServer<impl Health>,
) -> Result<Routes, tonic_reflection::server::Error> {
    let descriptors = [
        pb::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ];
    let [v1, v1alpha] = [reflection(&descriptors), reflection(&descriptors)];
    Ok(Routes::new(health)
        .add_service(v1.build_v1()?)
        .add_service(v1alpha.build_v1alpha()?)
        .add_service(MetaServer::new(meta))
        .add_service(KubeconfigsServer::new(kubeconfigs))
        .add_service(ContainersServer::with_interceptor(services.containers(), gate.clone()))
        .add_service(PodsServer::with_interceptor(services.pods(), gate.clone()))
        .add_service(EventsServer::with_interceptor(services.events(), gate.clone()))
        .add_service(ImagesServer::with_interceptor(services.images(), gate.clone())))
}

fn reflection<'a>(descriptors: &[&'a [u8]]) -> tonic_reflection::server::Builder<'a> {
    descriptors
        .iter()
        .fold(tonic_reflection::server::Builder::configure(), |builder, descriptor| {
            builder.register_encoded_file_descriptor_set(descriptor)
        })
}
