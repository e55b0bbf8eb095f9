//! Requests and limits, both ways.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::fields::{NOT_MEASURED, NOT_YET};
use probelet_domain::quantity::{self, show_millis, show_whole};
use probelet_domain::spec::{Amounts, Resources, SpecError};

const HUGE_PAGES: &str = "hugepages-";
const EPHEMERAL: &str = "ephemeral-storage";

type Quantities = BTreeMap<String, Quantity>;

pub fn read(
    at: &str,
    resources: Option<k8s::ResourceRequirements>,
    errors: &mut Vec<SpecError>,
    warnings: &mut Vec<String>,
) -> Resources {
    let resources = resources.unwrap_or_default();
    let mut part = |name: &str, quantities: Option<Quantities>| {
        let at = format!("{at}.resources.{name}");
        let quantities = quantities.unwrap_or_default();
        amounts(&at, quantities, errors, warnings)
    };
    let limits = part("limits", resources.limits);
    let mut requests = part("requests", resources.requests);
    // Kubernetes' defaults.
    requests.cpu = requests.cpu.or(limits.cpu);
    requests.memory = requests.memory.or(limits.memory);
    requests.ephemeral_storage = requests.ephemeral_storage.or(limits.ephemeral_storage);
    for (size, bytes) in &limits.huge_pages {
        requests.huge_pages.entry(*size).or_insert(*bytes);
    }
    Resources { requests, limits }
}

fn amounts(
    at: &str,
    quantities: Quantities,
    errors: &mut Vec<SpecError>,
    warnings: &mut Vec<String>,
) -> Amounts {
    let mut amounts = Amounts::default();
    for (name, Quantity(text)) in quantities {
        let field = format!("{at}[{name}]");
        let mut number = |read: fn(&str) -> Result<u64, &'static str>| {
            read(&text)
                .inspect_err(|why| errors.push(SpecError::invalid(&field, &text, why)))
                .unwrap_or_default()
        };
        match name.as_str() {
            "cpu" => amounts.cpu = Some(number(quantity::millis)),
            "memory" => amounts.memory = Some(number(quantity::whole)),
            EPHEMERAL => {
                amounts.ephemeral_storage = Some(number(quantity::whole));
                warnings.push(match at.ends_with("requests") {
                    true => format!("{field}: ignored: there is no scheduler here"),
                    false => format!("{field}: {NOT_MEASURED}"),
                });
            }
            _ => match name.strip_prefix(HUGE_PAGES).map(quantity::whole) {
                Some(Ok(size)) => {
                    amounts.huge_pages.insert(size, number(quantity::whole));
                }
                Some(Err(why)) => errors.push(SpecError::invalid(field, name, why)),
                None => {
                    let why = "there are no device plugins here";
                    errors.push(SpecError::new(field, format!("{NOT_YET}: {why}")));
                }
            },
        }
    }
    amounts
}

pub fn render(resources: &Resources) -> Option<k8s::ResourceRequirements> {
    let quantities = |amounts: &Amounts| {
        let pages = amounts.huge_pages.iter();
        let pages = pages.map(|(size, bytes)| {
            (format!("{HUGE_PAGES}{}", show_whole(*size)), show_whole(*bytes))
        });
        let cpu = amounts.cpu.map(|cpu| ("cpu".to_owned(), show_millis(cpu)));
        let memory = amounts.memory.map(|memory| ("memory".to_owned(), show_whole(memory)));
        let disk = amounts.ephemeral_storage.map(|bytes| (EPHEMERAL.to_owned(), show_whole(bytes)));
        let all = cpu.into_iter().chain(memory).chain(disk).chain(pages);
        let all: Quantities = all.map(|(name, text)| (name, Quantity(text))).collect();
        (!all.is_empty()).then_some(all)
    };
    let out = k8s::ResourceRequirements {
        limits: quantities(&resources.limits),
        requests: quantities(&resources.requests),
        ..k8s::ResourceRequirements::default()
    };
    (out != k8s::ResourceRequirements::default()).then_some(out)
}
