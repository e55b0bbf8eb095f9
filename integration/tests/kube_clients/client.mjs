// Kubernetes' client for JavaScript against one daemon. A line `crash` on stdout asks the test to kill the
// daemon and to start it again; the test answers with a line.

import assert from 'node:assert/strict';
import net from 'node:net';
import readline from 'node:readline';
import { PassThrough, Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import * as k8s from '@kubernetes/client-node';

const image = process.argv[2];
const namespace = 'default';
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function crash() {
  console.log('crash');
  await answers.next();
}

async function until(what, check) {
  for (let tries = 0; tries < 600; tries++) {
    const found = await check();
    if (found) return found;
    await sleep(50);
  }
  assert.fail(`never: ${what}`);
}

async function refused(code, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.code, code, String(error));
    return true;
  });
}

const map = (name, data, labels = {}) => ({ metadata: { name, labels }, data });

async function typed() {
  const body = map('typed', { a: '1' });
  const made = await core.createNamespacedConfigMap({ namespace, body });
  await refused(409, () => core.createNamespacedConfigMap({ namespace, body }));
  const patch = (body, strategy) =>
    core.patchNamespacedConfigMap(
      { name: 'typed', namespace, body },
      k8s.setHeaderOptions('Content-Type', strategy),
    );
  await patch([{ op: 'add', path: '/data/b', value: '2' }], k8s.PatchStrategy.JsonPatch);
  await patch({ data: { c: '3' } }, k8s.PatchStrategy.MergePatch);
  const patched = await patch({ data: { d: '4' } }, k8s.PatchStrategy.StrategicMergePatch);
  assert.deepEqual(patched.data, { a: '1', b: '2', c: '3', d: '4' });
  await refused(409, () => core.replaceNamespacedConfigMap({ name: 'typed', namespace, body: made }));
  patched.data = { e: '5' };
  await core.replaceNamespacedConfigMap({ name: 'typed', namespace, body: patched });
  const listed = await core.listNamespacedConfigMap({ namespace, fieldSelector: 'metadata.name=typed' });
  assert.deepEqual(listed.items.map((item) => item.data), [{ e: '5' }]);
  await core.deleteNamespacedConfigMap({ name: 'typed', namespace });
  await refused(404, () => core.readNamespacedConfigMap({ name: 'typed', namespace }));
}

async function objects() {
  const client = k8s.KubernetesObjectApi.makeApiClient(config);
  const labels = { app: 'node' };
  const container = { name: 'main', image, command: ['sleep', '1000'] };
  const spec = { terminationGracePeriodSeconds: 0, containers: [container] };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'node', namespace },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
  await client.create(deployment);
  await until('the Deployment is available', async () => {
    const { status } = await apps.readNamespacedDeploymentStatus({ name: 'node', namespace });
    return status.availableReplicas === 1;
  });
  await client.delete(deployment);
  await until('its pod is deleted', async () => {
    const left = await core.listNamespacedPod({ namespace, labelSelector: 'app=node' });
    return left.items.length === 0;
  });
}

function pod(name, script) {
  const container = { name: 'main', image, command: ['sh', '-c', script] };
  const spec = { terminationGracePeriodSeconds: 0, restartPolicy: 'Never', containers: [container] };
  return { metadata: { name }, spec };
}

async function pods() {
  // The watch has no version, so it begins with the pods that exist.
  const seen = [];
  let ended;
  const end = new Promise((resolve) => (ended = resolve));
  const request = await new k8s.Watch(config).watch(
    `/api/v1/namespaces/${namespace}/pods`,
    {},
    (type, pod) => seen.push([type, pod.metadata.name, pod.status.phase]),
    ended,
  );
  await core.createNamespacedPod({ namespace, body: pod('box', 'exec sleep 1000') });
  const script = 'for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done';
  await core.createNamespacedPod({ namespace, body: pod('short', script) });
  const has = (...wanted) => seen.some((event) => wanted.every((part, at) => part === event[at]));
  await until('the pod runs', () => has('ADDED', 'web') && has('MODIFIED', 'box', 'Running'));

  // This client does not handle the error of an aborted log, so the log is followed to its end.
  await until('the pod has a log', () => has('MODIFIED', 'short', 'Running'));
  const output = new PassThrough();
  await new k8s.Log(config).log(namespace, 'short', 'main', output, { follow: true });
  assert.equal(await text(output), [1, 2, 3, 4, 5].map((i) => `line ${i}\n`).join(''));
  await until('the pod has ended', () => has('MODIFIED', 'short', 'Succeeded'));
  await core.deleteNamespacedPod({ name: 'short', namespace });
  await until('the pod is deleted', () => has('DELETED', 'short'));
  request.abort();
  await end;
}

const sink = (parts) =>
  new Writable({
    write(part, _, done) {
      parts.push(part);
      done();
    },
  });

async function execute(command, input) {
  const [out, errors] = [[], []];
  const status = await new Promise((resolve, reject) => {
    new k8s.Exec(config)
      .exec(namespace, 'box', 'main', command, sink(out), sink(errors), input ?? null, false, resolve)
      .catch(reject);
  });
  return [status, Buffer.concat(out).toString(), Buffer.concat(errors).toString()];
}

async function commands() {
  const [good, out] = await execute(['echo', 'hello']);
  assert.equal(good.status, 'Success');
  assert.equal(out, 'hello\n');
  const script = 'read line; echo got $line; echo wrong >&2; exit 3';
  const [failed, got, wrong] = await execute(['sh', '-c', script], Readable.from(['words\n']));
  assert.equal(failed.reason, 'NonZeroExitCode');
  assert.deepEqual(failed.details.causes, [{ reason: 'ExitCode', message: '3' }]);
  assert.equal(got, 'got words\n');
  assert.equal(wrong, 'wrong\n');
}

async function forward() {
  const forwarder = new k8s.PortForward(config);
  const server = net.createServer((socket) =>
    forwarder.portForward(namespace, 'web', [8080], socket, null, socket),
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  for (let round = 0; round < 3; round++) {
    const socket = net.connect(server.address().port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let answer = '';
    for await (const part of socket) {
      answer += part;
      if (answer.includes('\r\n\r\n')) break;
    }
    assert.match(answer, /^HTTP\/1\.1 /);
    socket.destroy();
  }
  server.close();
}

async function informer() {
  const labels = { informer: 'node' };
  const create = (name) => core.createNamespacedConfigMap({ namespace, body: map(name, { value: '1' }, labels) });
  for (const name of ['kept', 'changed', 'early', 'late']) await create(name);
  const labelSelector = 'informer=node';
  const list = () => core.listNamespacedConfigMap({ namespace, labelSelector });
  const copy = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list, labelSelector);
  const [added, deleted] = [{}, {}];
  const count = (counts) => (item) => (counts[item.metadata.name] = (counts[item.metadata.name] ?? 0) + 1);
  copy.on('add', count(added));
  copy.on('delete', count(deleted));
  let failures = 0;
  copy.on('error', async () => {
    failures += 1;
    // As the documentation of the client does it.
    await sleep(200);
    copy.start().catch(() => copy.start());
  });
  await copy.start();
  const values = () => Object.fromEntries(copy.list().map((item) => [item.metadata.name, item.data.value]));
  const equals = (wanted) => () => {
    try {
      assert.deepEqual(values(), wanted);
      return true;
    } catch {
      return false;
    }
  };
  await until('the first list', equals({ kept: '1', changed: '1', early: '1', late: '1' }));
  await core.deleteNamespacedConfigMap({ name: 'early', namespace });
  await create('before');
  await crash();
  await core.deleteNamespacedConfigMap({ name: 'late', namespace });
  const body = { data: { value: '2' } };
  const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
  await core.patchNamespacedConfigMap({ name: 'changed', namespace, body }, merge);
  await create('after');
  const wanted = { kept: '1', changed: '2', before: '1', after: '1' };
  await until('the copy follows', equals(wanted)).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(values())}, ${failures} failures`);
  });
  await copy.stop();
  const once = (...names) => Object.fromEntries(names.map((name) => [name, 1]));
  assert.deepEqual(added, once('kept', 'changed', 'early', 'late', 'before', 'after'));
  assert.deepEqual(deleted, once('early', 'late'));
}

await typed();
await objects();
await pods();
await commands();
await forward();
const usage = await until('the pods are measured', async () => {
  const pods = await k8s.topPods(core, new k8s.Metrics(config), namespace);
  return pods.length === 2 && pods;
});
assert.ok(usage.every((of) => of.Memory.CurrentUsage > 0));
await informer();
await core.deleteNamespacedPod({ name: 'box', namespace });
console.log('done');
process.exit(0);
