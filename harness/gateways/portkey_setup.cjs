// Loaded before Portkey's gateway (node --require). It listens on loopback alone, and gives each request the two
// headers that an application with Portkey's client would send: which providers there are, and which headers go on.
'use strict';
const { readFileSync } = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');

const config = JSON.stringify(JSON.parse(readFileSync(path.join(process.cwd(), 'portkey.json'), 'utf8')));
const added = { 'x-portkey-config': config };

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, request, ...rest) {
  if (event === 'request') {
    for (const [name, value] of Object.entries(added)) {
      if (request.headers[name] === undefined) {
        request.headers[name] = value;
        request.rawHeaders.push(name, value);
      }
    }
  }
  return emit.call(this, event, request, ...rest);
};

// What @hono/node-server 1.19.19 puts in place of Response keeps headers that cannot be added to, and Portkey 1.15.2 adds
// to them: every streamed request would be answered with 500. This is that server's option overrideGlobalObjects: false.
const define = Object.defineProperty;
Object.defineProperty = function (object, name, ...rest) {
  return object === globalThis && name === 'Response' ? object : define.call(Object, object, name, ...rest);
};

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === 'number') {
    return listen.call(this, { port: first, host: '127.0.0.1' }, ...rest.filter((one) => typeof one === 'function'));
  }
  if (first !== null && typeof first === 'object' && first.port !== undefined) {
    return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest);
  }
  return listen.call(this, first, ...rest);
};
