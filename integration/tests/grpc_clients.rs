//! A gRPC library of another language over the Unix socket.

use anyhow::{Result, ensure};
use probelet_integration::{Host, bounded, finish, grpcio_python, succeed};

/// Two calls on one connection (the headers of the second refer to those of the first), a stream,
/// and an authority that the caller chooses.
const SCRIPT: &str = r#"
import sys, grpc
target = "unix:" + sys.argv[1]
for options in [(), (("grpc.default_authority", "a/b%2Fc d"),)]:
    with grpc.insecure_channel(target, options=options) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        for _ in range(2):
            assert check(b"", timeout=10) == b"\x08\x01"
        assert channel.unary_unary("/probelet.v1.Pods/ListPods")(b"", timeout=10) == b""
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=10)
        assert next(watch) == b"\x08\x01"
        watch.cancel()
print("done")
"#;

#[test]
fn a_client_on_the_c_core_is_served() -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    let mut python = bounded(grpcio_python());
    let done = finish(python.arg("-c").arg(SCRIPT).arg(host.socket()), "")?;
    ensure!(succeed(done)?.trim() == "done");
    Ok(())
}
