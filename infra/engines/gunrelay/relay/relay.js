// A small relay over npm's real gun: the HTTP interface of a peer (spec gun.md,
// section 1) in front of one GUN instance that keeps its graph below the working
// folder. It writes the port that it listens on, on 127.0.0.1, to standard output,
// and ends with its standard input, so that it never outlives the test that started
// it. A get waits 3 s for data.
'use strict';
const http = require('http');
const notFoundAfter = 3000;
const log = console.log;
console.log = () => {}; // gun greets on standard output, which is for the port
const Gun = require('gun');
// until is how long (ms) gun gathers writes before it makes them durable and acknowledges them.
const gun = Gun({ file: 'graph', until: 10, web: false, axe: false, multicast: false, stats: false, localStorage: false });
const stored = new Map(); // records by soul, in the order of their first writing
const maxBody = 8 << 20;

// A value as GUN can hold it: a list becomes its JSON text.
function storable(value) {
  if (Array.isArray(value)) return JSON.stringify(value);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== '_').map(([key, v]) => [key, storable(v)]));
}

function get(soul) {
  return new Promise((done) => {
    const timer = setTimeout(() => done(undefined), notFoundAfter);
    gun.get(soul).once((data) => {
      clearTimeout(timer);
      done(data);
    }, { wait: 99 });
  });
}

function put(soul, data) {
  return new Promise((done, failed) => {
    gun.get(soul).put(storable(data), (ack) => (ack.err ? failed(new Error(ack.err)) : done()));
  });
}

async function body(request) {
  let text = '';
  for await (const part of request.setEncoding('utf8')) {
    text += part;
    if (text.length > maxBody) throw new Error('too large');
  }
  return JSON.parse(text);
}

async function answer(request) {
  const url = new URL(request.url, 'http://relay');
  const query = url.searchParams;
  switch (request.method + ' ' + url.pathname) {
    case 'GET /gun-relay/get': {
      const data = await get(query.get('soul') || '');
      return data === undefined || data === null ? [404, { error: 'Not found' }] : [200, { success: true, data }];
    }
    case 'POST /gun-relay/put': {
      const { soul, data } = await body(request).catch(() => ({}));
      if (typeof soul !== 'string' || !soul || !data || typeof data !== 'object') return [400, { error: 'soul and data are needed' }];
      await put(soul, data);
      if (data.oip) stored.set(soul, { soul, data, recordType: JSON.parse(data.oip).recordType, storedAt: Date.now() });
      return [200, { success: true, soul }];
    }
    case 'GET /gun-relay/list': {
      const offset = Number(query.get('offset') || 0);
      const records = [...stored.values()].filter((r) => r.soul.startsWith((query.get('publisherHash') || r.soul.split(':')[0]) + ':') &&
        (!query.get('recordType') || query.get('recordType') === r.recordType));
      return [200, { success: true, records: records.slice(offset, offset + Number(query.get('limit') || 50)) }];
    }
  }
  return [404, { error: 'Not found' }];
}

const server = http.createServer((request, response) => {
  answer(request).catch((failure) => [500, { error: String(failure.message) }]).then(([status, value]) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(value));
  });
});
server.listen(0, '127.0.0.1', () => log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
