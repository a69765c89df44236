// The OpenID provider `oidc-provider` (npm), configured for a device. What it does is the library's; a resource asks it by
// introspection (RFC 7662) whether a token is good.
//
// It prints its address, and then each request with its answer as a line of JSON, secrets and all, for the test that started
// it.

import http from 'node:http';

import { Provider } from 'oidc-provider';

// The library's remarks; standard output is for the test.
console.info = console.error;

const SCOPE = 'punches';
const RECEIVER = { id: 'receiver', secret: 'the-secret-of-the-receiver' };

const server = http.createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(origin, {
  clients: [
    {
      // A public client: its refresh tokens are rotated each time.
      client_id: 'punchcard-device',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      redirect_uris: [],
    },
    {
      // RFC 8252 section 7.3: the port of a loopback address is not compared.
      client_id: 'punchcard-web',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1/return'],
    },
    {
      client_id: RECEIVER.id,
      client_secret: RECEIVER.secret,
      grant_types: [],
      response_types: [],
      redirect_uris: [],
    },
  ],
  cookies: { keys: ['for a test'] },
  features: {
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  scopes: ['openid', 'offline_access', SCOPE],
  // Soon due for a renewal.
  ttl: { AccessToken: 35 },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
const answer = provider.callback();

server.on('request', async (request, response) => {
  note(request, response);
  if (request.method === 'POST' && request.url === '/rows') {
    await takeRows(request, response);
  } else if (request.method === 'POST' && request.url === '/forget') {
    await forget(request, response);
  } else {
    answer(request, response);
  }
});
console.log(`listening on ${origin}`);

// A receiver of a webhook: rows of whoever has a token with the right scope.
async function takeRows(request, response) {
  const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  request.resume();
  const asked = await fetch(`${origin}/token/introspection`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${RECEIVER.id}:${RECEIVER.secret}`).toString('base64')}` },
    body: new URLSearchParams({ token: token ?? '' }),
  });
  const { active, scope } = await asked.json();
  const isGood = active && (scope ?? '').split(' ').includes(SCOPE);
  response.writeHead(isGood ? 201 : 401, { 'content-type': 'application/json' });
  response.end('{}');
}

// An administrator forgets an access token, and nothing else of its grant.
async function forget(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString());
  const token = await provider.AccessToken.find(form.get('token'));
  await token.destroy();
  response.end();
}

function note(request, response) {
  const received = [];
  const sent = [];
  const keep = (chunks, chunk) => {
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  const { push } = request;
  request.push = (chunk, ...more) => {
    keep(received, chunk);
    return push.call(request, chunk, ...more);
  };
  for (const name of ['write', 'end']) {
    const original = response[name];
    response[name] = (chunk, ...more) => {
      keep(sent, chunk);
      return original.call(response, chunk, ...more);
    };
  }
  response.on('finish', () => {
    const exchange = {
      method: request.method,
      url: request.url,
      authorization: request.headers.authorization ?? '',
      body: Buffer.concat(received).toString(),
      status: response.statusCode,
      location: response.getHeader('location') ?? '',
      answer: Buffer.concat(sent).toString(),
    };
    console.log(JSON.stringify(exchange));
  });
}
