/** What a prebuilt addon must keep to (scripts/package/gates.js), on libraries made for the purpose. */
import { join } from 'node:path';
import { elfFile, type Library } from './elf-file';

interface Gates {
  readonly faultsOf: (
    bytes: Buffer,
    platform: { readonly os: string; readonly libc?: string },
    muslNames?: ReadonlySet<string>,
  ) => string[];
  readonly summary: (bytes: Buffer, platform: { readonly os: string }) => string;
}

const { faultsOf, summary } = jest.requireActual<Gates>(join(__dirname, '../../scripts/package/gates.js'));

const gnu = { os: 'linux', libc: 'glibc' };
const musl = { os: 'linux', libc: 'musl' };

const good: Library = {
  needed: ['libc.so.6', 'libm.so.6', 'ld-linux-x86-64.so.2'],
  exported: ['napi_register_module_v1', 'node_api_module_get_api_version_v1', 'tenon_owner'],
  undefined: [
    ['napi_create_object'],
    ['napi_create_buffer'],
    ['exp', 'GLIBC_2.2.5', 'libm.so.6'],
    ['memcpy', 'GLIBC_2.14', 'libc.so.6'],
  ],
  tlsBytes: 24,
};
const goodMusl: Library = { ...good, needed: ['libc.so'], undefined: [['napi_create_object'], ['memcpy']] };

const lacking = (...more: NonNullable<Library['undefined']>): Library => ({
  ...good,
  undefined: [...(good.undefined ?? []), ...more],
});

test('an addon as it should be has no fault', () => {
  expect(faultsOf(elfFile(good), gnu)).toEqual([]);
  expect(faultsOf(elfFile(goodMusl), musl, new Set(['memcpy']))).toEqual([]);
  expect(summary(elfFile(good), gnu)).toBe(
    '0.00 MB, GLIBC_2.14, libc.so.6 libm.so.6 ld-linux-x86-64.so.2, 24 bytes per thread',
  );
});

test.each<[string, Library, string]>([
  [
    'a newer glibc',
    lacking(
      ['exp2', 'GLIBC_2.29', 'libm.so.6'],
      ['erf', 'GLIBC_2.28', 'libm.so.6'],
      ['y', 'GLIBC_3.0', 'libc.so.6'],
    ),
    'these symbols need more than GLIBC_2.28: exp2@GLIBC_2.29, y@GLIBC_3.0',
  ],
  [
    'glibc for itself',
    lacking(['__secret', 'GLIBC_PRIVATE', 'libc.so.6']),
    'these symbols need more than GLIBC_2.28: __secret@GLIBC_PRIVATE',
  ],
  [
    'a symbol of nobody',
    lacking(['cblas_sgemm'], ['napi_of_tomorrow']),
    'neither Node-API nor the C library has these symbols: cblas_sgemm, napi_of_tomorrow',
  ],
  [
    'a library',
    { ...good, needed: ['libc.so.6', 'libgomp.so.1'] },
    'it needs libraries that a system may lack: libgomp.so.1',
  ],
  [
    'an export',
    { ...good, exported: [...(good.exported ?? []), '_Znwm'] },
    'it exports more than its entry points: _Znwm',
  ],
  [
    'no entry',
    { ...good, exported: ['napi_register_module_v1', 'tenon_owner'] },
    'it does not export: node_api_module_get_api_version_v1',
  ],
  [
    'large thread-local memory',
    { ...good, tlsBytes: 4096 },
    'its thread-local memory cannot be relied on: 4096 bytes',
  ],
  [
    'static thread-local memory',
    { ...good, staticTls: true },
    'its thread-local memory cannot be relied on: 24 bytes, static',
  ],
])('%s is named', (_, library, fault) => {
  expect(faultsOf(elfFile(library), gnu)).toEqual([fault]);
});

test('the C++ library of the system is not to be had, in symbols and versions', () => {
  expect(faultsOf(elfFile(lacking(['_Znwm', 'GLIBCXX_3.4', 'libstdc++.so.6'])), gnu)).toEqual([
    'neither Node-API nor the C library has these symbols: _Znwm@GLIBCXX_3.4',
    'these symbols need more than GLIBC_2.28: _Znwm@GLIBCXX_3.4',
  ]);
});

test('musl: its one library, and the names that it defines', () => {
  expect(faultsOf(elfFile({ ...goodMusl, needed: ['libc.so.6'] }), musl, new Set(['memcpy']))).toEqual([
    'it needs libraries that a system may lack: libc.so.6',
  ]);
  expect(faultsOf(elfFile(goodMusl), musl, new Set(['memmove']))).toEqual([
    'neither Node-API nor the C library has these symbols: memcpy',
  ]);
});

test('eight megabytes are too many, on every system', () => {
  const large = Buffer.concat([elfFile(good), Buffer.alloc(8_000_000)]);
  expect(faultsOf(large, gnu)).toEqual([`it has ${large.length} bytes, allowed are fewer than 8000000`]);
  expect(faultsOf(Buffer.alloc(8_000_000), { os: 'darwin' })).toHaveLength(1);
  expect(faultsOf(Buffer.alloc(7_999_999), { os: 'win32' })).toEqual([]);
});

test('of thousands of names, ten are shown', () => {
  const names = Array.from({ length: 3000 }, (_, i) => [`f${i}`] as const);
  const [fault = ''] = faultsOf(elfFile(lacking(...names)), gnu);
  expect(fault).toMatch(/: f0, f1, .*f9, 2990 more$/);
});

test('what is cut short or damaged is refused, and reads nothing outside', () => {
  const whole = elfFile(good);
  for (let length = 0; length < whole.length; length += 1)
    expect(() => faultsOf(whole.subarray(0, length), gnu)).toThrow(/ELF file/);
  // Any byte turned over: faults, an error of ours, or a byte that says nothing.
  for (let i = 0; i < whole.length; i += 1) {
    const damaged = Buffer.from(whole);
    damaged[i] = 255 - (damaged[i] ?? 0);
    try {
      faultsOf(damaged, gnu);
    } catch (error) {
      expect(String(error)).toMatch(/ELF file/);
    }
  }
});
