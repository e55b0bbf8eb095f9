//! The page beside the metrics: what runs on this host, what needs attention, and why.
//!
//! Everyone who reaches the address sees the page, so by default it has only what probelet itself has
//! observed and decided. Texts that containers wrote (outputs of probes, messages, lines of logs) are
//! shown if the configuration says so.

mod cards;
mod causes;
mod document;
mod facts;
mod picture;
mod response;
mod source;
mod standing;
#[cfg(test)]
mod tests;
mod trouble;
mod values;

pub use source::StatusPage;
