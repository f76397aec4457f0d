// A PostgreSQL server of its own at DATABASE_URL.
import { createRequire } from 'node:module';
import { realpathSync } from 'node:fs';
import { tune } from 'tenon';
import { requireSuccess } from './trials.mjs';

const require = createRequire(realpathSync(createRequire(import.meta.url).resolve('tenon/package.json')));
const { startPostgres } = require('./scripts/verify/children/postgres-server.js');
const server = await startPostgres();
const { host, port, database, user, password } = server.access;
process.env.DATABASE_URL = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;

export default async function look() {
  const home = tune.postgres({ connectionString: process.env.DATABASE_URL, name: 'search' });
  const study = await tune.study(home);
  requireSuccess(study);
  await study.close();
  await server.close();
}
