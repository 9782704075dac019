import { readFileSync } from 'node:fs';

/** This program's version, from the package it belongs to. */
export function packageVersion(): string {
  // The same two steps up from `src/cli` and from `dist/cli`.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
