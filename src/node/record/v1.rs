//! Version 1 of the saved state of a container, as JSON: the pod, and what the daemon remembers of the
//! container.
//!
//! These types are the stored format. They change only by new fields with a default, while the
//! domain's types are free to change: the conversions here are the border between them. Every
//! build since 0.1 writes this version; `golden/` has records of each shape.

mod container;
mod convert;
mod memory;
mod pod;
mod probes;
mod security;
mod volumes;

pub use convert::Convert;
pub use memory::Memory;
pub use pod::PodSpec;
