//! Limits of the cgroup: devices, CPU, memory and huge pages.

use serde_json::{Value, json};

use super::Host;
use super::files::device_rules;
use probelet_domain::quantity::show_whole;
use probelet_domain::spec::{ContainerSpec, QUOTA_PERIOD};

pub fn resources(container: &ContainerSpec, host: &Host) -> Value {
    let wanted = &container.resources;
    let mut cpu = json!({ "shares": wanted.cpu_shares() });
    if let Some(quota) = wanted.cpu_quota() {
        cpu = json!({ "shares": wanted.cpu_shares(), "quota": quota, "period": QUOTA_PERIOD });
    }
    let mut made = json!({ "devices": device_rules(container, host), "cpu": cpu });
    let Some(all) = made.as_object_mut() else { return made };
    if let Some(limit) = wanted.memory_limit() {
        // `swap` is the limit of memory and swap together, so this allows no swap.
        let memory = match host.facts.swap_limit {
            true => json!({ "limit": limit, "swap": limit }),
            false => json!({ "limit": limit }),
        };
        all.insert("memory".to_owned(), memory);
    }
    let pages = wanted.limits.huge_pages.iter();
    let pages: Vec<Value> = pages
        .map(|(size, bytes)| {
            // The kernel's name of 2Mi is 2MB.
            let size = show_whole(*size).replace('i', "B");
            json!({ "pageSize": size, "limit": bytes })
        })
        .collect();
    if !pages.is_empty() {
        all.insert("hugepageLimits".to_owned(), pages.into());
    }
    made
}
