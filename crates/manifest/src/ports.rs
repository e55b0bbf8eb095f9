//! Ports of containers, and references to them, both ways.

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::optional_fields::filled;
use probelet_domain::spec::{ContainerPort, PortRef, SpecError};

pub fn read(
    at: &str,
    ports: Vec<k8s::ContainerPort>,
    errors: &mut Vec<SpecError>,
    warnings: &mut Vec<String>,
) -> Vec<ContainerPort> {
    let convert = |(index, port): (usize, k8s::ContainerPort)| {
        let at = format!("{at}.ports[{index}]");
        // As in Kubernetes, 0 is a field that is not set.
        let host_port = port.host_port.filter(|number| *number != 0);
        let host_ip = filled(port.host_ip);
        if host_ip.is_some() && host_port.is_none() {
            warnings.push(format!("{at}.hostIP: ignored: there is no hostPort"));
        }
        ContainerPort {
            name: filled(port.name),
            port: read_number(&format!("{at}.containerPort"), port.container_port, errors),
            protocol: filled(port.protocol).unwrap_or_else(|| "TCP".into()),
            host_ip: host_ip.filter(|_| host_port.is_some()),
            host_port: host_port
                .map(|number| read_number(&format!("{at}.hostPort"), number, errors)),
        }
    };
    ports.into_iter().enumerate().map(convert).collect()
}

/// A number that a port can have; 0 is refused by the validation of the spec.
pub fn read_number(field: &str, number: i32, errors: &mut Vec<SpecError>) -> u16 {
    u16::try_from(number).unwrap_or_else(|_| {
        errors.push(SpecError::port_range(field, number));
        1
    })
}

/// A port by its number or its name.
pub fn read_ref(field: &str, port: IntOrString, errors: &mut Vec<SpecError>) -> PortRef {
    match port {
        IntOrString::Int(number) => PortRef::Number(read_number(field, number, errors)),
        IntOrString::String(name) => PortRef::Name(name),
    }
}

pub fn render(port: &ContainerPort) -> k8s::ContainerPort {
    k8s::ContainerPort {
        name: port.name.clone(),
        container_port: i32::from(port.port),
        protocol: Some(port.protocol.clone()),
        host_port: port.host_port.map(i32::from),
        host_ip: port.host_ip.clone(),
    }
}

pub fn render_ref(port: &PortRef) -> IntOrString {
    match port {
        PortRef::Number(number) => IntOrString::Int(i32::from(*number)),
        PortRef::Name(name) => IntOrString::String(name.clone()),
    }
}
