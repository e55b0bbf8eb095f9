//! Host that probes and hooks connect to.

use std::borrow::Cow;

use super::{Handler, HookHandler, ProbeSpec};

impl ProbeSpec {
    /// Returns the probe with the pod's address `ip` as its host, if the spec names none. Without
    /// an address the host stays unset, and the prober uses the loopback.
    pub fn aimed_at(&self, ip: Option<&str>) -> Cow<'_, Self> {
        let has_host = match &self.handler {
            Handler::HttpGet(get) => is_set(&get.host),
            Handler::TcpSocket(tcp) => is_set(&tcp.host),
            Handler::Grpc(grpc) => is_set(&grpc.host),
            Handler::Exec(_) => true,
        };
        let Some(ip) = ip.filter(|_| !has_host) else { return Cow::Borrowed(self) };
        let mut aimed = self.clone();
        match &mut aimed.handler {
            Handler::HttpGet(get) => get.host = Some(ip.to_owned()),
            Handler::TcpSocket(tcp) => tcp.host = Some(ip.to_owned()),
            Handler::Grpc(grpc) => grpc.host = Some(ip.to_owned()),
            Handler::Exec(_) => {}
        }
        Cow::Owned(aimed)
    }
}

impl HookHandler {
    /// Returns the hook with the pod's address `ip` as its host, if it is a request without one.
    pub fn aimed_at(&self, ip: Option<&str>) -> Self {
        let mut aimed = self.clone();
        if let Self::HttpGet(get) = &mut aimed
            && !is_set(&get.host)
        {
            get.host = ip.map(str::to_owned);
        }
        aimed
    }
}

fn is_set(host: &Option<String>) -> bool {
    host.as_deref().is_some_and(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Grpc, PortRef, short_form};

    #[test]
    fn a_probe_without_a_host_goes_to_the_pods_address() {
        for (short, aimed) in [
            ("http://:80/", "http://10.1.0.5:80/"),
            ("tcp://:80", "tcp://10.1.0.5:80"),
            ("tcp://127.0.0.1:80", "tcp://127.0.0.1:80"),
            ("exec:true", "exec:true"),
        ] {
            let probe = |text| ProbeSpec::new(short_form::handler("probe", text).unwrap());
            assert_eq!(*probe(short).aimed_at(Some("10.1.0.5")), probe(aimed), "{short}");
            assert_eq!(*probe(short).aimed_at(None), probe(short));
        }
    }

    #[test]
    fn a_grpc_probe_goes_to_the_pods_address() {
        let port = PortRef::Number(50051);
        let grpc = Grpc { port, service: String::new(), tls: false, host: None };
        let probe = ProbeSpec::new(Handler::Grpc(grpc));
        let probe = probe.aimed_at(Some("10.1.0.5"));
        assert!(
            matches!(&probe.handler, Handler::Grpc(Grpc { host: Some(ip), .. }) if ip == "10.1.0.5")
        );
    }
}
