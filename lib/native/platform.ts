/** Which platform package belongs to this process. */
import type * as DetectLibc from 'detect-libc';

export interface Platform {
  /** `@tenon/linux-x64-gnu`. */
  readonly packageName: string;
  /** For people: `linux x64 with glibc 2.36`. Read when asked for: finding the version takes milliseconds. */
  readonly shown: string;
  /** What npm takes to install for it: `--os=linux --cpu=x64 --libc=glibc`. */
  readonly npmFlags: string;
}

/** By rule; a test holds it beside the table of what is built. */
export function platformOf(
  os: string,
  cpu: string,
  libc: string | null,
  libcVersion = (): string => '',
): Platform {
  const libcFlag = libc === null ? '' : ` --libc=${libc}`;
  return {
    packageName: `@tenon/${os}-${cpu}${libc === null ? '' : libc === 'musl' ? '-musl' : '-gnu'}`,
    get shown() {
      return `${os} ${cpu}${libc === null ? '' : ` with ${libc} ${libcVersion()}`.trimEnd()}`;
    },
    npmFlags: `--os=${os} --cpu=${cpu}${libcFlag}`,
  };
}

/** The platform of this process. What detect-libc cannot tell is taken for glibc. */
export function platformHere(): Platform {
  const { platform, arch } = process;
  if (platform !== 'linux') return platformOf(platform, arch, null);
  // Loaded here: with a local build nothing asks for it.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { familySync, versionSync } = require('detect-libc') as typeof DetectLibc;
  const libc = familySync() === 'musl' ? 'musl' : 'glibc';
  return platformOf(platform, arch, libc, () => versionSync() ?? '');
}
