//! Input and terminal of a container, both ways.

use k8s_openapi::api::core::v1 as k8s;

use probelet_domain::spec::Streams;

pub fn read(stdin: Option<bool>, stdin_once: Option<bool>, tty: Option<bool>) -> Streams {
    let is = Option::unwrap_or_default;
    Streams { stdin: is(stdin), stdin_once: is(stdin_once), tty: is(tty) }
}

pub fn render(streams: Streams, out: k8s::Container) -> k8s::Container {
    let set = |value: bool| value.then_some(true);
    k8s::Container {
        stdin: set(streams.stdin),
        stdin_once: set(streams.stdin_once),
        tty: set(streams.tty),
        ..out
    }
}
