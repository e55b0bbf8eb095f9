//! `top` at a terminal: containers, their probes and their use of the host, followed until a key ends
//! it.
//!
//! [`model`](model::Model) is the state, changed only by events; [`render`](render::draw) draws it; both
//! are pure. [`adapter`](adapter::run) reads the terminal and the daemon.

mod adapter;
mod command;
mod daemon;
mod event;
mod help;
mod history;
mod list;
mod log_lines;
mod model;
mod places;
mod prompt;
mod render;
mod row;
mod spark;
mod terminal;
mod text_view;
mod theme;

#[cfg(test)]
mod tests;

pub use adapter::run;
