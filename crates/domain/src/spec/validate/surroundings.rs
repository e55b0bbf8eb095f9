//! Host namespaces, names, DNS, resources and devices.

use core::net::IpAddr;

use super::{Findings, SpecError, names};
use crate::quantity::{show_millis, show_whole};
use crate::spec::surroundings::LONGEST_HOSTNAME;
use crate::spec::{ContainerSpec, Device, DnsConfig, DnsPolicy, Hostname, PodSpec, Source};

const NAMESERVERS: usize = 3;
const SEARCHES: usize = 32;
const SEARCH_CHARACTERS: usize = 2048;

pub fn pod_rules(found: &mut Findings, pod: &PodSpec) {
    found.check(!(pod.share_process_namespace && pod.host_namespaces.pid), || {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        SpecError::invalid("spec.shareProcessNamespace", true, why)
    });
    let naming = &pod.naming;
    if let Some(subdomain) = &naming.subdomain {
        found.name("spec.subdomain", subdomain, names::dns_label);
    }
    let full = Hostname::of(pod).fqdn().filter(|_| naming.hostname_as_fqdn);
    if let Some(full) = full.filter(|full| full.len() > LONGEST_HOSTNAME) {
        let length = full.len();
        let why = format!(
            "failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too \
             long ({LONGEST_HOSTNAME} characters is the max, {length} characters requested)"
        );
        found.add(SpecError::invalid("spec.setHostnameAsFQDN", true, &why));
    }
    for (index, alias) in naming.host_aliases.iter().enumerate() {
        let at = format!("spec.hostAliases[{index}]");
        ip_rule(found, format!("{at}.ip"), &alias.ip);
        for (index, name) in alias.hostnames.iter().enumerate() {
            found.name(&format!("{at}.hostnames[{index}]"), name, names::dns_subdomain);
        }
    }
    let none = DnsConfig::default();
    let dns = naming.dns.as_ref().unwrap_or(&none);
    if naming.dns_policy == DnsPolicy::None && dns.nameservers.is_empty() {
        let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        found.add(SpecError::required("spec.dnsConfig.nameservers", why));
    }
    dns_rules(found, dns);
}

fn dns_rules(found: &mut Findings, dns: &DnsConfig) {
    let at = "spec.dnsConfig";
    found.check(dns.nameservers.len() <= NAMESERVERS, || {
        let why = format!("must not have more than {NAMESERVERS} nameservers");
        SpecError::invalid(format!("{at}.nameservers"), &dns.nameservers, &why)
    });
    for (index, ip) in dns.nameservers.iter().enumerate() {
        ip_rule(found, format!("{at}.nameservers[{index}]"), ip);
    }
    found.check(dns.searches.len() <= SEARCHES, || {
        let why = format!("must not have more than {SEARCHES} search paths");
        SpecError::invalid(format!("{at}.searches"), &dns.searches, &why)
    });
    found.check(dns.searches.join(" ").len() <= SEARCH_CHARACTERS, || {
        let why = format!(
            "must not have more than {SEARCH_CHARACTERS} characters (including \
                           spaces) in the search list"
        );
        SpecError::invalid(format!("{at}.searches"), &dns.searches, &why)
    });
    for (index, search) in dns.searches.iter().enumerate() {
        // A dot alone is the root domain; a dot at the end marks a complete name.
        let name = search.strip_suffix('.').unwrap_or(search);
        if search != "." {
            found.name(&format!("{at}.searches[{index}]"), name, names::dns_search);
        }
    }
    for (index, (name, value)) in dns.options.iter().enumerate() {
        let at = format!("{at}.options[{index}]");
        found.check(!name.is_empty(), || SpecError::required(format!("{at}.name"), ""));
        let has_space = |text: &str| text.contains(char::is_whitespace);
        let is_bad = has_space(name) || value.as_deref().is_some_and(has_space);
        found.check(!is_bad, || SpecError::invalid(at, name, "must not contain whitespace"));
    }
}

fn ip_rule(found: &mut Findings, field: String, ip: &str) {
    found.check(ip.parse::<IpAddr>().is_ok(), || {
        let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        SpecError::invalid(field, ip, why)
    });
}

pub fn container_rules(found: &mut Findings, at: &str, container: &ContainerSpec) {
    let resources = &container.resources;
    let is_set = !resources.limits.is_empty() || !resources.requests.is_empty();
    let is_bundle = matches!(container.source, Source::Bundle { .. });
    found.check(!(is_bundle && is_set), || {
        SpecError::forbidden(format!("{at}.resources"), "the OCI spec defines it")
    });
    let pairs = [
        ("cpu", resources.requests.cpu, resources.limits.cpu, show_millis as fn(u64) -> String),
        ("memory", resources.requests.memory, resources.limits.memory, show_whole),
        (
            "ephemeral-storage",
            resources.requests.ephemeral_storage,
            resources.limits.ephemeral_storage,
            show_whole,
        ),
    ];
    for (name, request, limit, show) in pairs {
        let (Some(request), Some(limit)) = (request, limit) else { continue };
        found.check(request <= limit, || {
            let why = format!("must be less than or equal to {name} limit of {}", show(limit));
            SpecError::invalid(format!("{at}.resources.requests"), show(request), &why)
        });
    }
    found.check(resources.requests.huge_pages == resources.limits.huge_pages, || {
        let field = format!("{at}.resources.requests");
        SpecError::new(field, "Invalid value: must be equal to the limit of hugepages")
    });
    let with_pages = !resources.limits.huge_pages.is_empty();
    found.check(
        !with_pages || resources.requests.cpu.or(resources.requests.memory).is_some(),
        || {
            let why = "HugePages require cpu or memory";
            SpecError::forbidden(format!("{at}.resources"), why)
        },
    );
    for (size, bytes) in &resources.limits.huge_pages {
        found.check(*size > 0 && bytes.checked_rem(*size) == Some(0), || {
            let field = format!("{at}.resources.limits[hugepages-{}]", show_whole(*size));
            SpecError::invalid(field, show_whole(*bytes), "must be a multiple of the page size")
        });
    }
    for (index, device) in container.devices.iter().enumerate() {
        device_rules(found, &format!("{at}.devices[{index}]"), device);
    }
}

fn device_rules(found: &mut Findings, at: &str, device: &Device) {
    for path in [&device.host, &device.container] {
        let is_below_dev = path.starts_with("/dev/") && !path.split('/').any(|part| part == "..");
        found.check(is_below_dev, || SpecError::invalid(at, path, "must be a path below /dev"));
    }
    let access = &device.access;
    let is_access = !access.is_empty() && access.chars().all(|c| "rwm".contains(c));
    found.check(is_access, || SpecError::invalid(at, access, "must be of r, w and m"));
}
