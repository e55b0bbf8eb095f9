//! gRPC libraries of other languages over the Unix socket: gRPC's C core, which C++, Python, Ruby and
//! PHP use, and grpc-js. Go's library is in grpcurl.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, bounded, finish, grpcio_python, root, succeed};

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

/// A client that is generated from the proto file: answers, a stream, an error with its fields, and an
/// authority that the caller chooses.
const NODE_SCRIPT: &str = r#"
const assert = require('node:assert');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const [proto, include, socket] = process.argv.slice(1);
const api = grpc.loadPackageDefinition(loader.loadSync(proto, { includeDirs: [include], defaults: true })).probelet.v1;
const deadline = () => new Date(Date.now() + 10000);
const call = (client, method, request) => new Promise((resolve, reject) =>
  client[method](request, { deadline: deadline() }, (e, answer) => e ? reject(e) : resolve(answer)));
(async () => {
  for (const options of [{}, { 'grpc.default_authority': 'a/b%2Fc d' }]) {
    const made = Service => new Service(`unix:${socket}`, grpc.credentials.createInsecure(), options);
    const [pods, containers] = [made(api.Pods), made(api.Containers)];
    assert.deepEqual((await call(pods, 'ListPods', {})).pods, []);
    const request = { name: 'No Label', image: 'i', restartPolicy: 'ALWAYS', livenessProbe: {} };
    const refused = await call(containers, 'CreateContainer', request).catch(error => error);
    assert.equal(refused.code, grpc.status.INVALID_ARGUMENT);
    assert.match(refused.details, /^name: .*livenessProbe: |^livenessProbe: .*name: /s);
    const stream = pods.WatchPods({});
    await new Promise((resolve, reject) => {
      stream.on('metadata', resolve);
      stream.on('error', reject);
    });
    stream.on('error', () => {});
    stream.cancel();
    pods.close();
    containers.close();
  }
  console.log('done');
})().catch(error => { console.error(error); process.exit(1); });
"#;

#[test]
fn a_client_in_javascript_is_served() -> Result<()> {
    let variable =
        |name: &str| std::env::var_os(name).with_context(|| format!("{name} is not set"));
    let (packages, node) = (PathBuf::from(variable("GRPC_JS")?), variable("NODE")?);
    let mut host = Host::start()?;
    host.start_daemon()?;
    let include = root().join("proto");
    let mut client = bounded(node);
    client.env("NODE_PATH", packages.join("node_modules")).args(["-e", NODE_SCRIPT, "--"]);
    client.arg(include.join("probelet/v1/probelet.proto")).arg(&include).arg(host.socket());
    let done = finish(&mut client, "")?;
    ensure!(succeed(done)?.trim() == "done");
    Ok(())
}
