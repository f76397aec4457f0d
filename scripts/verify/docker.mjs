/**
 * examples/docker, built and run for Debian and for Alpine, with tenon's packages from a registry on
 * loopback. Nothing in the images compiles; they train and serve under limits, with a read-only root,
 * not as root.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { data } from 'tenon';
import { buildExample, context } from './containers/images.mjs';
import { withRegistry } from './containers/packages.mjs';
import { lintDockerfile } from './containers/python-tools.mjs';
import { inContainer, LIMITS, serve } from './containers/running.mjs';
import { openWorkshop } from './containers/workshop.mjs';
import { freePort } from './install/registry.mjs';
import { check, megabytes, root } from './report.mjs';

const goal = 'both images train and serve within their limits, without a compiler; SIGTERM ends with 0';
const defaults = { packages: 'build/packages', epochs: 2, images: 20 };

/** Images: a base, and the application. `ready` answers with 200 once a model is loaded. */
const IMAGES = [
  { base: '22-slim', example: 'docker', ready: '/healthz' },
  { base: '24-alpine', example: 'docker', ready: '/healthz' },
  { base: '22-slim', example: 'service', ready: '/readyz' },
];

const COMPILERS = 'cc gcc g++ c++ clang make cmake python3 python node-gyp zig';

function assert(condition, problem) {
  if (!condition) throw new Error(problem);
}

const lastLine = (text) => JSON.parse(text.trim().split('\n').at(-1));

/**
 * The lockfile has the packages of all platforms, and `npm ci` installs the one of the platform it is for.
 */
async function checkLockfile({ folder, npm }) {
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  const names = Object.keys(packages['node_modules/tenon'].optionalDependencies ?? {});
  assert(names.length > 0, 'tenon has no packages of platforms');
  for (const name of names) {
    const { os, cpu, libc } = packages[`node_modules/${name}`] ?? {};
    assert(os !== undefined, `the lockfile lacks ${name}`);
    const flags = ['--os', os[0], '--cpu', cpu[0], ...(libc ? ['--libc', libc[0]] : [])];
    const elsewhere = join(folder, '..', 'elsewhere');
    mkdirSync(elsewhere);
    for (const file of ['package.json', 'package-lock.json'])
      cpSync(join(folder, file), join(elsewhere, file));
    await npm(['ci', '--omit=dev', ...flags], elsewhere);
    const found = readdirSync(join(elsewhere, 'node_modules', '@tenon')).map((part) => `@tenon/${part}`);
    assert(found.join() === name, `npm ci ${flags.join(' ')} installs ${found.join() || 'nothing'}`);
    rmSync(elsewhere, { recursive: true });
  }
  return names;
}

/** What the image is, and what tenon sees of the limits. */
async function checkImage(workshop, tag) {
  const run = (command, more) => inContainer(workshop, tag, command, more);
  const shell = (script) => run(['sh', '-c', script]);
  const found = await shell(`for p in ${COMPILERS}; do command -v $p; done; true`);
  assert(found === '', `the image has ${found.replaceAll('\n', ', ')}`);
  assert((await shell('id -u')) === '1000', 'the user is not 1000');
  assert((await shell('touch /app/x 2>/dev/null || echo no')) === 'no', 'the root can be written to');
  const doctor = lastLine(await run(['tenon', 'doctor', '--json']));
  assert(doctor.threads === LIMITS.cpus, `${doctor.threads} threads: ${doctor.threadsReason}`);
  assert(doctor.memory.limit === LIMITS.memory, `a memory limit of ${doctor.memory.limit}`);
  const tooMuch =
    "import('tenon').then(({ zeros }) => zeros([2 ** 28]).data()).catch(({ code }) => console.log(code))";
  const code = await run(['node', '-e', tooMuch]);
  assert(code === 'ERR_TENON_MEMORY', `a request beyond the limit: ${code}`);
  const modules = 'du -sk node_modules/tenon node_modules/@tenon | cut -f1';
  const sizes = (await shell(modules)).split('\n').map((text) => 1024 * Number(text));
  return { doctor, own: sizes.reduce((sum, bytes) => sum + bytes, 0) };
}

/** How many of the embedded test images the server classifies as they are. */
async function classify(url, count) {
  const { test } = await data.glyphs();
  let right = 0;
  for (let i = 0; i < count; i++) {
    const { pixels, shape, className } = await test.image(i);
    const [height, width, channels] = shape;
    const body = await sharp(pixels, { raw: { width, height, channels } }).png().toBuffer();
    const headers = { 'content-type': 'image/png' };
    const response = await fetch(`${url}/predict`, { method: 'POST', headers, body });
    const answer = await response.json();
    assert(response.ok, `an image was answered with ${response.status}: ${JSON.stringify(answer)}`);
    right += Number(answer.predictions[0].class === className);
  }
  return right;
}

/** Trains, serves the model and stops the server. */
async function useImage(workshop, { tag, ready }, { epochs, images }) {
  const { podman } = workshop;
  await podman('volume', 'create', `models-${tag.replace(':', '-')}`);
  const volume = (how) => ['--volume', `models-${tag.replace(':', '-')}:/models${how}`];
  const train = ['tenon', 'train', '--json', '--auto-resume', '--out', '/models/glyphs', '--epochs', epochs];
  const trained = lastLine(await inContainer(workshop, tag, train, ['--hostname', 'train', ...volume('')]));
  const server = await serve(workshop, tag, { port: await freePort(), ready, more: volume(':ro') });
  const { threads = LIMITS.cpus } = await (await fetch(`${server.url}/healthz`)).json();
  assert(threads === LIMITS.cpus, `the server has ${threads} threads`);
  const right = await classify(server.url, images);
  const [{ Healthcheck: watched }] = JSON.parse(await podman('image', 'inspect', tag));
  const [form, ...test] = watched.Test;
  assert(form === 'CMD', `a health check of the form ${form}`);
  const { code: unhealthy } = await server.exec(...test);
  assert(unhealthy === 0, `the health check ends with ${unhealthy}`);
  const stopped = await server.stop();
  assert(stopped.code === 0, `after SIGTERM the server ends with ${stopped.code}`);
  assert(right >= 0.8 * images, `${right} of ${images} images are classified rightly`);
  return { accuracy: trained.testAccuracy, right, stopped };
}

async function tryImage(workshop, image, settings) {
  const built = { ...image, ...(await buildExample(workshop, image)) };
  const checked = await checkImage(workshop, built.tag);
  return { ...built, ...checked, ...(await useImage(workshop, built, settings)) };
}

function describe({ base, example, own, added, seconds, right, stopped, doctor }) {
  const sizes = `${megabytes(added, 0)} on the base, ${megabytes(own, 1)} of them tenon's`;
  return `${example} on ${base}: built in ${seconds.toFixed(0)} s, ${sizes}; ${doctor.threads} thread (${doctor.threadsReason}); ${right} images right; stopped in ${stopped.seconds.toFixed(1)} s`;
}

await check('docker', goal, defaults, async ({ packages, ...settings }) => {
  const workshop = await openWorkshop();
  try {
    return await withRegistry(resolve(root, packages), join(workshop.work, 'registry'), async (registry) => {
      const lint = await lintDockerfile(join(root, 'examples', 'docker', 'Dockerfile'));
      assert(lint.length === 0, `hadolint: ${lint.join('; ')}`);
      const listed = await checkLockfile(await context(workshop, registry, 'docker'));
      await context(workshop, registry, 'service');
      const images = [];
      for (const image of IMAGES) {
        images.push(await tryImage(workshop, { ...image, registry }, settings));
        console.log(describe(images.at(-1)));
      }
      const figures = [`one lockfile for ${listed.length} platforms`, ...images.map(describe)];
      return { pass: true, figure: figures.join('; '), details: { listed, images } };
    });
  } finally {
    await workshop.close();
  }
});
