// Writes signatures by Node, and what must not pass for one, to standard output:
// a JSON array with one vector a line. Run with Node 20:
//
//   node vectors.mjs > vectors.json
//
// A vector is {what, valid, form, tags, data, modulus, signature}. The signed
// message is J(tags) + data for the form "record" and J(JSON.parse(data)) + J(tags)
// for "template"; data and signature are in base64, the modulus in base64url, and
// tags are those before CreatorSig. Keys and salts are new each time, and the
// private keys are not kept. Node's own verdict on each vector is checked here.
import crypto from 'node:crypto'
import assert from 'node:assert'

const J = JSON.stringify
const sha256 = (...parts) => parts.reduce((h, p) => h.update(p), crypto.createHash('sha256')).digest()
const toInt = bytes => BigInt('0x' + bytes.toString('hex'))
const toBytes = (n, length) => Buffer.from(n.toString(16).padStart(2 * length, '0'), 'hex')
const flip = (bytes, at = bytes.length >> 1) => { const b = Buffer.from(bytes); b[at] ^= 1; return b }

function newKey(bits) {
  const pair = crypto.generateKeyPairSync('rsa', { modulusLength: bits })
  const modulus = pair.publicKey.export({ format: 'jwk' }).n
  const n = Buffer.from(modulus, 'base64url')
  return { ...pair, bits, modulus, n, int: toInt(n), emBits: bits - 1, emLen: Math.ceil((bits - 1) / 8), address: sha256(n).toString('base64url') }
}

function signedMessage({ form, tags, data }) {
  return form === 'template'
    ? Buffer.from(J(JSON.parse(data.toString())) + J(tags))
    : Buffer.concat([Buffer.from(J(tags)), data])
}

function nodeVerifies(vector) {
  const key = crypto.createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: vector.modulus, e: 'AQAB' } })
  const padding = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_AUTO }
  try {
    return crypto.verify('sha256', signedMessage(vector), { key, ...padding }, vector.signature)
  } catch {
    return false
  }
}

const lines = []
function add(vector) {
  // A key that was tampered with is even or has odd factors: Node may not take it.
  assert.strictEqual(nodeVerifies(vector), vector.valid, vector.what)
  lines.push(J({ ...vector, data: vector.data.toString('base64'), signature: vector.signature.toString('base64') }))
}

// messages are of the kinds that the protocol signs.
function messages(key) {
  const tags = (type, name) => [
    ['Content-Type', 'application/json'], ['Index-Method', 'OIP'], ['Ver', '0.8.0'], ['Type', type],
    [type === 'Template' ? 'TemplateName' : 'RecordType', name], ['Creator', key.address]].map(([name, value]) => ({ name, value }))
  return [
    { form: 'record', tags: tags('Record', 'post'), data: Buffer.from('[{"0":"My article","3":37,"t":"-9DirnjVO1FlbEW1lN8jITBESrTsQKEM_BoZ1ey_0mk"}]') },
    { form: 'record', tags: [...tags('Record', 'caf\u00e9 <\u2028&>'), { name: 'Note \ud800"', value: '\udc00\\\u0001\u007f\ud83d\ude00' }], data: Buffer.from('[ {"0" : "\\ud800 \u2029", "1":1e21} ]\n') },
    { form: 'template', tags: tags('Template', 'basic'), data: Buffer.from('{"name":"string", "index_name":0,"10":"long","2":"bool","index_10":1.0,"index_2":2e0,"name":"string"}') },
  ]
}

const sign = (key, message, saltLength) =>
  crypto.sign('sha256', signedMessage(message), { key: key.privateKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength })

const raw = (key, em) => crypto.privateEncrypt({ key: key.privateKey, padding: crypto.constants.RSA_NO_PADDING }, toBytes(toInt(em), key.n.length))

function mgf1(seed, length, hash = 'sha256') {
  const blocks = []
  for (let i = 0; Buffer.concat(blocks).length < length; i++) blocks.push(crypto.createHash(hash).update(seed).update(toBytes(BigInt(i), 4)).digest())
  return Buffer.concat(blocks).subarray(0, length)
}

// encode is EMSA-PSS-ENCODE with places to go wrong at: change(db) alters the data
// block before it is masked, finish(em) the result.
function encode(key, message, salt, { change = db => db, finish = em => em, mgfHash = 'sha256', hashed = salt } = {}) {
  const h = sha256(Buffer.alloc(8), sha256(signedMessage(message)), hashed)
  const db = Buffer.alloc(key.emLen - 33)
  db[db.length - salt.length - 1] = 1
  salt.copy(db, db.length - salt.length)
  const changed = change(db, salt)
  const mask = mgf1(h, changed.length, mgfHash)
  const masked = Buffer.from(changed.map((b, i) => b ^ mask[i]))
  masked[0] &= 0xff >> (8 * key.emLen - key.emBits)
  return finish(Buffer.concat([masked, h, Buffer.from([0xbc])]))
}

// craft signs an encoding of our own, trying salts until it is below the modulus.
function craft(key, message, saltLength, wrong, firstSaltByte) {
  for (;;) {
    const salt = crypto.randomBytes(saltLength)
    if (firstSaltByte !== undefined) salt[0] = firstSaltByte
    const em = encode(key, message, salt, wrong?.(salt))
    if (toInt(em) < key.int) return raw(key, em)
  }
}

for (const key of [newKey(2048), newKey(4096), newKey(2049)]) {
  const other = newKey(key.bits)
  const max = key.emLen - 34 // 222 for 2048 bits, 478 for 4096
  const [first, ...rest] = messages(key)
  const vector = (what, valid, message, signature, modulus = key.modulus) => add({ what: `${key.bits} bits: ${what}`, valid, ...message, modulus, signature })

  for (const [name, saltLength] of [['32', 32], ['the longest, given', max], ['the longest, by constant', crypto.constants.RSA_PSS_SALTLEN_MAX_SIGN], ['0', 0], ['1', 1], ['33', 33]]) {
    vector(`salt length ${name}`, true, first, sign(key, first, saltLength))
  }
  for (const message of rest) {
    vector(`${message.form}, unusual bytes`, true, message, sign(key, message, 32))
  }
  const template = rest.at(-1)
  const respaced = Buffer.from('\n{"2":"bool","10":"long","name":"string","index_name":0.0,"index_10":1,"index_2":2}')
  vector('template, the same value in other bytes', true, { ...template, data: respaced }, sign(key, template, 32))
  vector('template, two keys in another order', false, { ...template, data: Buffer.from(J(JSON.parse(template.data), (k, v) => v.name ? { index_name: 0, ...v } : v)) }, sign(key, template, 32))
  vector('data that is not UTF-8', true, { ...first, data: Buffer.from([0xff, 0, 0x80]) }, sign(key, { ...first, data: Buffer.from([0xff, 0, 0x80]) }, 32))
  vector('no data', true, { ...first, data: Buffer.alloc(0) }, sign(key, { ...first, data: Buffer.alloc(0) }, max))

  for (const message of [first, ...rest]) {
    for (const saltLength of key.bits === 4096 ? [max] : [32, max]) {
      const signature = sign(key, message, saltLength)
      const twin = (what, change) => vector(`${message.form}, salt ${saltLength}: ${what}`, false, { ...message, ...change }, signature)
      const text = message.data.toString()
      twin('a bit of the data is flipped', { data: message.form === 'template' ? Buffer.from(text.replace('long', 'lonf')) : flip(message.data) })
      twin('a bit of a tag is flipped', { tags: message.tags.map((t, i) => i === 2 ? { name: 'Ver', value: '0.8.1' } : t) })
      twin('two tags are swapped', { tags: [message.tags[1], message.tags[0], ...message.tags.slice(2)] })
      twin('the last tag is missing', { tags: message.tags.slice(0, -1) })
      vector(`${message.form}, salt ${saltLength}: a bit of the signature is flipped`, false, message, flip(signature))
      vector(`${message.form}, salt ${saltLength}: a bit of the key is flipped`, false, message, signature, flip(key.n).toString('base64url'))
    }
  }
  const signature = sign(key, first, 32)
  vector('the key of somebody else', false, first, signature, other.modulus)
  vector('signed by somebody else', false, first, sign(other, first, 32))
  vector('PKCS #1 v1.5', false, first, crypto.sign('sha256', signedMessage(first), key.privateKey))
  vector('PSS with SHA-512', false, first, crypto.sign('sha512', signedMessage(first), { key: key.privateKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }))

  // Signatures that are the right number in the wrong form, or no number of a message.
  vector('a zero byte in front', false, first, Buffer.concat([Buffer.alloc(1), signature]))
  vector('a zero byte at the end', false, first, Buffer.concat([signature, Buffer.alloc(1)]))
  vector('the last byte is missing', false, first, signature.subarray(0, -1))
  vector('empty', false, first, Buffer.alloc(0))
  for (const [what, n] of [['0', 0n], ['1', 1n], ['the modulus less 1', key.int - 1n], ['the modulus', key.int]]) {
    vector(`the number ${what}`, false, first, toBytes(n, key.n.length))
  }
  for (let tries = 0; tries < 500; tries++) {
    const sum = toInt(sign(key, first, 32)) + key.int
    if (sum >= 1n << BigInt(8 * key.n.length)) continue
    vector('a valid signature plus the modulus', false, first, toBytes(sum, key.n.length))
    break
  }

  // Encodings made by hand.
  const valid = (what, ...args) => vector(`by hand: ${what}`, true, first, craft(key, first, ...args))
  const invalid = (what, ...args) => vector(`by hand: ${what}`, false, first, craft(key, first, ...args))
  valid('salt length 20', 20)
  valid('a salt that starts with the delimiter', 32, undefined, 1)
  valid('a salt that starts with a zero', 32, undefined, 0)
  invalid('the delimiter is 2', 32, () => ({ change: (db, salt) => { db[db.length - salt.length - 1] = 2; return db } }))
  invalid('the delimiter stands one byte earlier', 32, () => ({ change: (db, salt) => { db[db.length - salt.length - 1] = 0; db[db.length - salt.length - 2] = 1; return db } }))
  invalid('the delimiter stands one byte later', 32, () => ({ change: (db, salt) => { db[db.length - salt.length - 1] = 0; db[db.length - salt.length] = 1; return db } }))
  invalid('a second delimiter before the first', 32, () => ({ change: db => { db[3] = 1; return db } }))
  invalid('no delimiter', 0, () => ({ change: db => Buffer.alloc(db.length) }))
  invalid('a padding byte is not zero', 32, () => ({ change: (db, salt) => { db[db.length - salt.length - 2] = 0x80; return db } }))
  invalid('the first padding byte is not zero', 32, () => ({ change: db => { db[0] |= 4; return db } }))
  invalid('the hash is of a shorter salt', 32, salt => ({ hashed: salt.subarray(1) }))
  invalid('the hash is of a longer salt', 32, salt => ({ hashed: Buffer.concat([Buffer.alloc(1), salt]) }))
  invalid('the trailer is 0xcc', 32, () => ({ finish: em => { em[em.length - 1] = 0xcc; return em } }))
  invalid('a bit of the hash is flipped', 32, () => ({ finish: em => flip(em, em.length - 10) }))
  invalid('MGF1 with SHA-1', 32, () => ({ mgfHash: 'sha1' }))
  // The bit above emBits: of the first byte, or a byte of its own before it.
  const top = em => toBytes(toInt(em) + (1n << BigInt(key.emBits)), key.n.length)
  invalid('the top bit is set', 32, () => ({ finish: top }))
}

process.stdout.write(`[\n${lines.join(',\n')}\n]\n`)
