import { describe, expect, test } from 'vitest';
import { KINDS, MALFORMED_KINDS } from '../../src/http/problem.ts';
import { edge } from './edge.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { name: string; in: string; required?: boolean }[];
  readonly requestBody?: { readonly content: object };
  readonly responses: Readonly<Record<string, { description: string; content?: object }>>;
}

interface Description {
  readonly openapi: string;
  readonly info: { readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

async function description(): Promise<Description> {
  const answer = await edge().http.fastify.inject({ method: 'GET', url: '/openapi.json' });
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  return answer.json();
}

describe('the description', () => {
  test('names every path that is served, and none that is not built', async () => {
    const { openapi, paths } = await description();
    expect(openapi).toMatch(/^3\.1\./);
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(operations.sort()).toEqual([
      'DELETE /kv/{key}',
      'GET /cluster',
      'GET /cluster/events',
      'GET /cluster/keys/{key}',
      'GET /cluster/ring',
      'GET /cluster/tasks',
      'GET /kv/{key}',
      'GET /livez',
      'GET /readyz',
      'HEAD /kv/{key}',
      'POST /cluster/forced-removal',
      'POST /cluster/members/{name}/leave',
      'POST /cluster/members/{name}/remove',
      'POST /cluster/members/{name}/replace',
      'PUT /cluster/replication-factor',
      'PUT /kv/{key}',
    ]);
  });

  test('is sound: each operation has a name of its own, its path parameters and answers', async () => {
    const { paths } = await description();
    const names = new Set<string>();
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        expect(names.has(operation.operationId)).toBe(false);
        names.add(operation.operationId);
        expect(operation.summary).not.toBe('');
        const inPath = (operation.parameters ?? []).filter((one) => one.in === 'path');
        const expected = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
          name,
          required: true,
        }));
        expect(inPath, `${method} ${path}`).toMatchObject(expected);
        expect(inPath).toHaveLength(expected.length);
        expect(Object.keys(operation.responses)).toContain(method === 'delete' ? '204' : '200');
        for (const [status, reply] of Object.entries(operation.responses)) {
          expect(reply.description).not.toBe('');
          if (Number(status) >= 400) {
            expect(Object.keys(reply.content ?? {})).toEqual(['application/problem+json']);
          }
        }
      }
    }
  });

  test('describes values as raw bytes, in both directions', async () => {
    const { paths } = await description();
    const key = paths['/kv/{key}'];
    expect(Object.keys(key?.['put']?.requestBody?.content ?? {})).toEqual(['*/*']);
    expect(Object.keys(key?.['get']?.responses['200']?.content ?? {})).toEqual(['*/*']);
    expect(key?.['get']?.requestBody).toBeUndefined();
    expect(key?.['get']?.responses['200']).toMatchObject({
      headers: { ETag: { schema: { type: 'string' } } },
    });
  });

  test('says what a change of the replication factor is sent as', async () => {
    const { paths } = await description();
    const body = paths['/cluster/replication-factor']?.['put']?.requestBody;
    expect(Object.keys(body?.content ?? {})).toEqual(['application/json']);
  });

  test('lists every error code', async () => {
    const { info } = await description();
    for (const code of [...Object.keys(KINDS), ...Object.keys(MALFORMED_KINDS)]) {
      expect(info.description).toContain(`| \`${code}\` |`);
    }
  });
});

describe('/docs', () => {
  test('is a page that loads nothing from elsewhere, and all that it loads is there', async () => {
    const { http } = edge();
    const page = await http.fastify.inject({ method: 'GET', url: '/docs/' });
    expect(page.headers['content-type']).toMatch(/^text\/html/);
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toMatch(/https?:|upgrade-insecure-requests/);
    // The policy allows no inline script.
    expect(page.payload).not.toMatch(/<script(?![^>]*\bsrc=)/);
    const files = [...page.payload.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file);
    expect(files.length).toBeGreaterThan(4);
    for (const file of files) {
      const { pathname } = new URL(String(file), 'http://node/docs/');
      const answer = await http.fastify.inject({ method: 'GET', url: pathname });
      expect([pathname, answer.statusCode]).toEqual([pathname, 200]);
      expect(String(file)).not.toMatch(/^(https?:)?\/\//);
    }
  });

  test('works without the slash at its end, and does not ask a validator elsewhere', async () => {
    const { http } = edge();
    const page = await http.fastify.inject({ method: 'GET', url: '/docs' });
    expect(page.payload).toContain('/docs/static/swagger-ui-bundle.js');
    const start = await http.fastify.inject({
      method: 'GET',
      url: '/docs/static/swagger-initializer.js',
    });
    expect(start.payload).toContain('"validatorUrl":"none"');
  });
});
